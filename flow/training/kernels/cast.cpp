// Casts as operators of torch with their gradients: what Python would spend on each call is more than the arithmetic.
//
// They keep x and the points; the backward pass finds from them again what lies outside.

#include <ATen/ExpandUtils.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cstring>

#include "fake_quantize.h"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const float* values(const Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; }
float* room(const Tensor& t) { return t.defined() ? t.mutable_data_ptr<float>() : nullptr; }
Tensor alike(const Tensor& t) { return t.defined() ? at::empty_like(t) : Tensor(); }

// What `packed` of flow/training/kernels/options.py made.
Options options_of(const Tensor& packed) {
  TORCH_CHECK(packed.nbytes() == sizeof(Options), "A cast takes ", sizeof(Options), " bytes of options.");
  Options found;
  std::memcpy(&found, packed.const_data_ptr<int32_t>(), sizeof found);
  return found;
}

// One cast: what is cast, its points, integer bits where they are learned, and what `packed` made.
struct One {
  Tensor x, frac, integer, told;

  Call call(const Options& o) const {
    const int64_t groups = frac.numel();
    return {values(x), nullptr, values(frac), values(integer), nullptr, nullptr, nullptr, x.numel() / groups, groups,
            &o, at::get_num_threads(), lowest_point(o, values(frac), groups)};
  }

  // Whether pointers say all of it, and its points are somewhere.
  bool usable() const { return plain(x) && points(frac) && (!integer.defined() || points(integer)); }

  static bool plain(const Tensor& t) {
    return t.scalar_type() == at::kFloat && t.is_cpu() && t.is_contiguous() && t.numel() > 0;
  }
  static bool points(const Tensor& t) { return plain(t) && finite(values(t), t.numel()); }
};

// What is no input of a node: the options of each of its casts, and which of them have integer bits.
struct Told {
  variable_list options;
  std::vector<bool> learned;
};

// Several casts as one node: values, then points, then the integer bits that there are.
struct Cast : torch::autograd::Function<Cast> {
  static variable_list forward(AutogradContext* ctx, at::TensorList given, const Told& told) {
    const size_t count = told.options.size();
    variable_list saved, made;
    saved.reserve(4 * count), made.reserve(count);
    for (size_t i = 0, whole = 2 * count; i < count; ++i) {
      const One one{given[i], given[count + i], told.learned[i] ? given[whole++] : Tensor(), told.options[i]};
      const Options o = options_of(one.told);
      made.push_back(at::empty_like(one.x));
      Call c = one.call(o);
      c.y = room(made.back());
      forward_pass(c);
      saved.insert(saved.end(), {one.x, one.frac, one.integer, one.told});
    }
    ctx->save_for_backward(std::move(saved));
    return made;
  }

  static variable_list backward(AutogradContext* ctx, variable_list upstreams) {
    const variable_list saved = ctx->get_saved_variables();
    const size_t count = upstreams.size();
    variable_list found(2 * count), lengths;
    for (size_t i = 0; i < count; ++i) {
      const One one{saved[4 * i], saved[4 * i + 1], saved[4 * i + 2], saved[4 * i + 3]};
      const Tensor upstream = upstreams[i].contiguous();
      const Gradients s = at::GradMode::is_enabled() ? differentiable(one, upstream) : summed(one, upstream);
      found[i] = s.by_x, found[count + i] = s.by_frac;
      if (one.integer.defined()) lengths.push_back(s.by_integer);
    }
    found.insert(found.end(), lengths.begin(), lengths.end());
    found.emplace_back();  // nothing to what is told
    return found;
  }

  struct Gradients {
    Tensor by_x, by_frac, by_integer;
  };

  static Gradients summed(const One& one, const Tensor& upstream) {
    const Options o = options_of(one.told);
    const Gradients found{alike(one.x), alike(one.frac), alike(one.integer)};
    Call c = one.call(o);
    c.upstream = values(upstream);
    c.y = room(found.by_x), c.by_frac = room(found.by_frac), c.by_whole = room(found.by_integer);
    backward_pass(c);
    return found;
  }

  // A gradient of this gradient is wanted, which is linear in `upstream`.
  static Gradients differentiable(const One& one, const Tensor& upstream) {
    const Options o = options_of(one.told);
    const bool learned = one.integer.defined();
    const Tensor to_x = alike(one.x.detach()), to_frac = alike(to_x), to_integer = learned ? alike(to_x) : Tensor();
    Call c = one.call(o);
    c.y = room(to_x), c.by_frac = room(to_frac), c.by_whole = room(to_integer);
    slopes_pass(c);
    const auto sum = [&](const Tensor& slope, const Tensor& points) {
      return points.defined() ? at::sum_to(upstream * slope, points.sizes()) * kLn2 : Tensor();
    };
    return {upstream * to_x, sum(to_frac, one.frac), sum(to_integer, one.integer)};
  }
};

// `x` on its grid, a point for each `x.numel() / frac.numel()` consecutive values; none where the kernel cannot run.
std::optional<Tensor> cast(const Tensor& x, const Tensor& frac, const std::optional<Tensor>& integer,
                           const Tensor& told) {
  const One one{x, frac, integer.value_or(Tensor()), told};
  if (!one.usable()) return std::nullopt;
  variable_list given{x, frac};
  if (integer) given.push_back(*integer);
  return Cast::apply(at::TensorList(given), Told{{told}, {integer.has_value()}})[0];
}

// Several at once, each as above; nothing where one of them cannot run.
std::vector<Tensor> casts(at::TensorList xs, at::TensorList fracs, const c10::List<std::optional<Tensor>>& integers,
                          at::TensorList told) {
  variable_list given(xs.begin(), xs.end());
  given.insert(given.end(), fracs.begin(), fracs.end());
  Told held{told.vec(), {}};
  for (size_t i = 0; i < xs.size(); ++i) {
    const std::optional<Tensor> integer = integers.get(i);
    if (!One{xs[i], fracs[i], integer.value_or(Tensor()), told[i]}.usable()) return {};
    held.learned.push_back(integer.has_value());
    if (integer) given.push_back(*integer);
  }
  return Cast::apply(at::TensorList(given), held);
}

}  // namespace

TORCH_LIBRARY(qfx_flow, library) {
  library.def("cast(Tensor x, Tensor frac, Tensor? integer, Tensor told) -> Tensor?", &cast);
  library.def("casts(Tensor[] xs, Tensor[] fracs, Tensor?[] integers, Tensor[] told) -> Tensor[]", &casts);
}
