// The cast as an operator of torch with its gradient: what Python would spend on each call is more than the arithmetic.
//
// It keeps x and the points; the backward pass finds from them again what lies outside.

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

struct Cast : torch::autograd::Function<Cast> {
  static Call call(const Tensor& x, const Tensor& frac, const Tensor& integer, const Options& o) {
    const int64_t groups = frac.numel();
    return {values(x), nullptr, values(frac), values(integer), nullptr, nullptr, nullptr, x.numel() / groups, groups,
            &o, at::get_num_threads(), lowest_point(o, values(frac), groups)};
  }

  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& frac,
                        const std::optional<Tensor>& integer, const Tensor& packed) {
    const Tensor whole = integer.value_or(Tensor()), y = at::empty_like(x);
    const Options o = options_of(packed);
    Call c = call(x, frac, whole, o);
    c.y = room(y);
    forward_pass(c);
    ctx->save_for_backward({x, frac, whole, packed});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list upstreams) {
    const variable_list saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &frac = saved[1], &integer = saved[2];
    const Options o = options_of(saved[3]);
    Call c = call(x, frac, integer, o);
    const Tensor upstream = upstreams[0].contiguous();
    return at::GradMode::is_enabled() ? differentiable(c, upstream, x, frac, integer)
                                      : summed(c, upstream, x, frac, integer);
  }

  static variable_list summed(Call c, const Tensor& upstream, const Tensor& x, const Tensor& frac,
                              const Tensor& integer) {
    const Tensor by_x = alike(x), by_frac = alike(frac), by_integer = alike(integer);
    c.upstream = values(upstream);
    c.y = room(by_x), c.by_frac = room(by_frac), c.by_whole = room(by_integer);
    backward_pass(c);
    return {by_x, by_frac, by_integer, Tensor()};
  }

  // A gradient of this gradient is wanted, which is linear in `upstream`.
  static variable_list differentiable(Call c, const Tensor& upstream, const Tensor& x, const Tensor& frac,
                                      const Tensor& integer) {
    const Tensor to_x = alike(x.detach()), to_frac = alike(to_x), to_integer = integer.defined() ? alike(to_x) : Tensor();
    c.y = room(to_x), c.by_frac = room(to_frac), c.by_whole = room(to_integer);
    slopes_pass(c);
    const auto sum = [&](const Tensor& slope, const Tensor& points) {
      return points.defined() ? at::sum_to(upstream * slope, points.sizes()) * kLn2 : Tensor();
    };
    return {upstream * to_x, sum(to_frac, frac), sum(to_integer, integer), Tensor()};
  }
};

// `x` on its grid, a point for each `x.numel() / frac.numel()` consecutive values; none where a point is not finite.
std::optional<Tensor> cast(const Tensor& x, const Tensor& frac, const std::optional<Tensor>& integer,
                           const Tensor& packed) {
  const bool usable = finite(values(frac), frac.numel()) && (!integer || finite(values(*integer), integer->numel()));
  if (!usable) return std::nullopt;
  return Cast::apply(x, frac, integer, packed);
}

}  // namespace

TORCH_LIBRARY(qfx_flow, library) {
  library.def("cast(Tensor x, Tensor frac, Tensor? integer, Tensor options) -> Tensor?", &cast);
}
