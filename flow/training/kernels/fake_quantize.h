// Fake quantisation in one pass each way: y from x, then dx and the slopes of the binary points from x and dy.
//
// The twin of the eager code in flow/training: y and dx have its bits, since each value goes through the same float
// operations. Slopes are summed in float within blocks of fixed length and in double beyond, always in the same order, so
// they do not depend on the number of threads.
// Compile without -ffast-math and with -ffp-contract=off: a fused multiplication and addition has other bits.

#pragma once

#include <cmath>
#include <cstdint>
#include <memory>

// Loops become vectors only where everything that they call is inlined.
#define FLOW_INLINE inline __attribute__((always_inline))

namespace {

constexpr int64_t kPart = 1 << 14;      // values whose slopes are summed before they meet those of other parts
constexpr int64_t kParallel = 1 << 16;  // values below which a second thread costs more than it saves
constexpr int64_t kBlock = 256;         // values whose words are made before they are used, or slopes before their sum
constexpr float kLn2 = 0.69314718055994530942f;

enum Rounding { TRN, TRN_ZERO, RND, RND_ZERO, RND_INF, RND_MIN_INF, RND_CONV, MINIFLOAT };
enum Overflow { WRAP, SAT, SAT_ZERO, SAT_SYM, WRAP_SM };

// What a kernel is told of a quantiser; flow/training/kernels/options.py explains each.
struct Options {
  int32_t rounding, overflow, is_signed;
  int32_t magnitude;  // bits besides the sign; not read where integer bits are given
  int32_t usual;      // the point about which points are bounded
  int32_t far;        // a point lies at most so far from `usual`,
  int32_t spread;     // at most so far right of the leftmost one,
  int32_t reach;      // and at most so far from 0
  int32_t least, most;  // bounds of magnitude bits that are learned
  int32_t mantissa;     // of a minifloat
  int32_t rectified;    // 1 where values below zero count as zero
  float highest;        // number of a minifloat, in units of its lowest subnormal
};

FLOW_INLINE float from_bits(int32_t bits) { return __builtin_bit_cast(float, bits); }
FLOW_INLINE int32_t to_bits(float value) { return __builtin_bit_cast(int32_t, value); }
FLOW_INLINE float power_of_two(int32_t exponent) { return from_bits((exponent + 127) << 23); }
FLOW_INLINE int32_t bounded(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}
FLOW_INLINE float clamped(float n, float low, float high) {  // NaN stays
  const float raised = n < low ? low : n;
  return raised > high ? high : raised;
}

FLOW_INLINE int32_t whole(float point, int32_t far) {
  return static_cast<int32_t>(std::nearbyint(clamped(point, static_cast<float>(-far), static_cast<float>(far))));
}

// What all words of a tensor share.
struct Shape {
  float low, high, size;   // of words of one length: the ends and 2**magnitude, in codes
  float negative, mirror;  // 1 where there is a sign, 1 where the ends are symmetric
  float floor;             // values up to it count as zero, for good; NaN where none does
  int32_t mantissa;
};

Shape shape_of(const Options& o) {
  const bool symmetric = o.is_signed && o.overflow == SAT_SYM;
  const double size = static_cast<double>(int64_t{1} << o.magnitude);
  const float high = o.rounding == MINIFLOAT ? o.highest : static_cast<float>(size - 1.0);
  const float low = o.rounding == MINIFLOAT || symmetric ? -high : static_cast<float>(-size);
  return {o.is_signed ? low : 0.0f, high, static_cast<float>(size), o.is_signed ? 1.0f : 0.0f, symmetric ? 1.0f : 0.0f,
          o.rectified ? 0.0f : NAN, o.mantissa};
}

// One word at one binary point. Slopes hold where a value lies above `top` or below `bottom`; between them dy/dx = 1.
struct Word {
  float scale, step, low, high, size;  // codes, or numbers of a minifloat
  float bottom, top;
  float above_frac, below_frac;    // of a learned length, dy/df over ln2 outside
  float above_whole, below_whole;  // and dy/di over ln2
  int32_t normal;                  // bits of the smallest minifloat with a leading one
};

// A length that is learned: beyond the end, the end moves with it; without bits every value is 0 and in range.
FLOW_INLINE Word learned_word(const Shape& s, int32_t at, int32_t magnitude) {
  const float step = power_of_two(-at), size = power_of_two(magnitude < 0 ? 0 : magnitude), high = size - 1.0f;
  const float live = magnitude > 0 ? 1.0f : 0.0f, far = magnitude > 0 ? 0.0f : HUGE_VALF;
  const float low = live * s.negative * (s.mirror - size);
  return {power_of_two(at), live * step, low, high, size, low - far, high + far, step, -s.mirror * step, size * step,
          -s.negative * size * step, 0};
}

template <int R, bool Learned>
FLOW_INLINE Word word_of(const Shape& s, int32_t at, int32_t magnitude) {
  const float step = power_of_two(-at);
  if constexpr (R == MINIFLOAT) {
    const float low = s.low * step, high = s.high * step;
    return {1.0f, 1.0f, low, high, 0.0f, low, high, 0.0f, 0.0f, 0.0f, 0.0f, (s.mantissa - at + 127) << 23};
  }
  if constexpr (Learned) return learned_word(s, at, magnitude);
  return {power_of_two(at), step, s.low, s.high, s.size, s.low, s.high, 0.0f, 0.0f, 0.0f, 0.0f, 0};
}

template <int R>
FLOW_INLINE float round_code(float v) {
  if constexpr (R == TRN) return std::floor(v);
  if constexpr (R == TRN_ZERO) return std::trunc(v);
  if constexpr (R == RND_CONV) return std::nearbyint(v);
  if constexpr (R == RND) {
    const float floor = std::floor(v);
    return floor + (v - floor >= 0.5f ? 1.0f : 0.0f);
  }
  const float trunc = std::trunc(v), rest = v - trunc;
  const bool up = R == RND_INF ? rest >= 0.5f : rest > 0.5f;
  const bool down = R == RND_ZERO ? rest < -0.5f : rest <= -0.5f;
  return trunc + (up ? 1.0f : 0.0f) - (down ? 1.0f : 0.0f);
}

FLOW_INLINE float modulo(float n, float period) { return n - std::floor(n * (1.0f / period)) * period; }

template <int O>
FLOW_INLINE float overflow_code(float n, const Word& w, const Shape& s) {
  if constexpr (O == SAT_ZERO) return n < w.low || n > w.high ? 0.0f : n;
  if constexpr (O == WRAP) {
    const float period = w.size + s.negative * w.size, phase = modulo(n, period);
    return phase > w.high ? phase - period : phase;
  }
  if constexpr (O == WRAP_SM) {
    const float size = w.size, period = 4.0f * size, phase = modulo(n, period);
    const float mirrored = phase < 3.0f * size ? 2.0f * size - 1.0f - phase : phase - period;
    return phase < size ? phase : mirrored;
  }
  return clamped(n, w.low, w.high);
}

FLOW_INLINE float nearest_number(float x, const Word& w, int32_t mantissa) {
  const float kept = clamped(x, w.low, w.high);
  const int32_t own = to_bits(kept) & 0x7f800000, binade = own > w.normal ? own : w.normal;
  const float large = from_bits(binade + ((23 - mantissa) << 23) + (1 << 22));
  return (kept + large) - large;
}

FLOW_INLINE float rectified(float x, const Shape& s) { return x <= s.floor ? 0.0f : x; }

template <int R, int O>
FLOW_INLINE float quantized(float x, const Word& w, const Shape& s) {
  if constexpr (R == MINIFLOAT) return nearest_number(x, w, s.mantissa);
  return overflow_code<O>(round_code<R>(x * w.scale), w, s) * w.step;
}

struct Slopes {
  float x, frac, whole;
};

// Written with one comparison for both ends where the length is given: masks cost more than arithmetic.
template <int R, bool Learned>
FLOW_INLINE Slopes slopes(float x, const Word& w, const Shape& shape) {
  const float r = R == MINIFLOAT ? x : round_code<R>(x * w.scale);
  const float nearest = clamped(r, w.bottom, w.top);
  const bool outside = nearest < r || nearest > r;  // NaN is neither
  if constexpr (!Learned) {
    const float y = R == MINIFLOAT ? nearest_number(x, w, shape.mantissa) : nearest * w.step;
    return {outside ? 0.0f : 1.0f, (outside ? 0.0f : x) - y, 0.0f};
  }
  const bool above = r > w.top;
  const float by_frac = above ? w.above_frac : w.below_frac, by_whole = above ? w.above_whole : w.below_whole;
  return {outside ? 0.0f : 1.0f, outside ? by_frac : x - r * w.step, outside ? by_whole : 0.0f};
}

// The sum of a block by halves, always in the same order: on vectors of any length, so nobody needs -ffast-math.
template <int64_t Half = kBlock / 2>
FLOW_INLINE float halved(float* __restrict terms) {
  for (int64_t i = 0; i < Half; ++i) terms[i] += terms[i + Half];
  if constexpr (Half > 1) return halved<Half / 2>(terms);
  return terms[0];
}

// The sum of the first `count` terms of a block, which is lost.
FLOW_INLINE double folded(float* __restrict terms, int64_t count) {
  for (int64_t i = count; i < kBlock; ++i) terms[i] = 0.0f;
  return static_cast<double>(halved(terms));
}

struct Call {
  const float *x, *upstream, *frac, *integer;
  float *y, *by_frac, *by_whole;
  int64_t inner, groups;
  const Options* options;
  int32_t threads, lowest;
};

// Binary points and magnitude bits of `count` words from the `from`-th on.
void positions(const Call& c, int64_t from, int64_t count, int32_t* __restrict at) {
  const Options& o = *c.options;
  const float* __restrict frac = c.frac + from;
  const float far = static_cast<float>(o.far), usual = static_cast<float>(o.usual);
  const int32_t centre = o.usual, last = c.lowest + o.spread, reach = o.reach;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t near = static_cast<int32_t>(std::nearbyint(clamped(frac[i] - usual, -far, far))) + centre;
    at[i] = bounded(near > last ? last : near, -reach, reach);
  }
}

void magnitudes(const Call& c, int64_t from, int64_t count, const int32_t* __restrict at, int32_t* __restrict found) {
  const float* __restrict integer = c.integer + from;
  const float far = static_cast<float>(c.options->far);
  const int32_t least = c.options->least, most = c.options->most;
  for (int64_t i = 0; i < count; ++i) {
    found[i] = bounded(static_cast<int32_t>(std::nearbyint(clamped(integer[i], -far, far))) + at[i], least, most);
  }
}

// The word of a group, whatever its kind.
Word group_word(const Call& c, int64_t group) {
  const Shape shape = shape_of(*c.options);
  int32_t at, magnitude;
  positions(c, group, 1, &at);
  if (c.options->rounding == MINIFLOAT) return word_of<MINIFLOAT, false>(shape, at, 0);
  if (!c.integer) return word_of<RND, false>(shape, at, 0);
  magnitudes(c, group, 1, &at, &magnitude);
  return word_of<RND, true>(shape, at, magnitude);
}

template <int R, int O>
void forward_group(const Call& c, int64_t group, int64_t from, int64_t to) {
  const float* __restrict x = c.x;
  float* __restrict y = c.y;
  const Shape shape = shape_of(*c.options);
  const Word w = group_word(c, group);
  for (int64_t i = from; i < to; ++i) y[i] = quantized<R, O>(rectified(x[i], shape), w, shape);
}

template <int R, bool Learned>
void backward_group(const Call& c, int64_t group, int64_t from, int64_t to, double* sums) {
  const float *__restrict x = c.x, *__restrict upstream = c.upstream;
  float* __restrict by_x = c.y;
  const Shape shape = shape_of(*c.options);
  const Word w = group_word(c, group);
  float by_frac[kBlock], by_whole[kBlock];
  for (int64_t start = from; start < to; start += kBlock) {
    const int64_t count = to - start < kBlock ? to - start : kBlock;
    for (int64_t i = 0; i < count; ++i) {
      const float slope = upstream[start + i], value = x[start + i];
      const Slopes s = slopes<R, Learned>(rectified(value, shape), w, shape);
      by_x[start + i] = value <= shape.floor ? 0.0f : slope * s.x;
      by_frac[i] = slope * s.frac;
      if constexpr (Learned) by_whole[i] = slope * s.whole;
    }
    sums[0] += folded(by_frac, count);
    if constexpr (Learned) sums[1] += folded(by_whole, count);
  }
}

// What backward_group multiplies and adds up, value by value.
template <int R, bool Learned>
void slopes_group(const Call& c, int64_t group) {
  const Shape shape = shape_of(*c.options);
  const Word w = group_word(c, group);
  for (int64_t i = group * c.inner; i < (group + 1) * c.inner; ++i) {
    const Slopes s = slopes<R, Learned>(rectified(c.x[i], shape), w, shape);
    c.y[i] = c.x[i] <= shape.floor ? 0.0f : s.x;
    c.by_frac[i] = s.frac;
    if constexpr (Learned) c.by_whole[i] = s.whole;
  }
}

// A point for each value: constants only, which round to nearest and saturate.
template <bool Learned>
void forward_elements(const Call& c, int64_t from, int64_t to) {
  int32_t at[kBlock], magnitude[kBlock] = {};
  const Shape shape = shape_of(*c.options);
  for (int64_t start = from; start < to; start += kBlock) {
    const int64_t count = to - start < kBlock ? to - start : kBlock;
    positions(c, start, count, at);
    if constexpr (Learned) magnitudes(c, start, count, at, magnitude);
    const float* __restrict x = c.x + start;
    float* __restrict y = c.y + start;
    for (int64_t i = 0; i < count; ++i) {
      y[i] = quantized<RND, SAT>(x[i], word_of<RND, Learned>(shape, at[i], magnitude[i]), shape);
    }
  }
}

template <bool Learned>
void backward_elements(const Call& c, int64_t from, int64_t to) {
  int32_t at[kBlock], magnitude[kBlock] = {};
  const Shape shape = shape_of(*c.options);
  for (int64_t start = from; start < to; start += kBlock) {
    const int64_t count = to - start < kBlock ? to - start : kBlock;
    positions(c, start, count, at);
    if constexpr (Learned) magnitudes(c, start, count, at, magnitude);
    const float *__restrict x = c.x + start, *__restrict upstream = c.upstream + start;
    float *__restrict by_x = c.y + start, *__restrict by_frac = c.by_frac + start;
    float* __restrict by_whole = Learned ? c.by_whole + start : by_frac;
    for (int64_t i = 0; i < count; ++i) {
      const Slopes s = slopes<RND, Learned>(x[i], word_of<RND, Learned>(shape, at[i], magnitude[i]), shape);
      by_x[i] = upstream[i] * s.x;
      by_frac[i] = upstream[i] * s.frac * kLn2;
      if constexpr (Learned) by_whole[i] = upstream[i] * s.whole * kLn2;
    }
  }
}

// Work on [0, count) in parts: the same parts whatever the number of threads.
template <typename Work>
void in_parts(const Call& c, int64_t count, int64_t part, Work work) {
  const int64_t parts = (count + part - 1) / part;
  const bool parallel = c.threads > 1 && c.inner * c.groups >= kParallel;
#pragma omp parallel for schedule(static) num_threads(c.threads) if (parallel)
  for (int64_t p = 0; p < parts; ++p) work(p, p * part, (p + 1) * part < count ? (p + 1) * part : count);
}

template <int R, int O>
void forward_all(const Call& c) {
  if (c.groups == 1) {
    in_parts(c, c.inner, kPart, [&](int64_t, int64_t from, int64_t to) { forward_group<R, O>(c, 0, from, to); });
  } else {
    in_parts(c, c.groups, 1, [&](int64_t group, int64_t, int64_t) {
      forward_group<R, O>(c, group, group * c.inner, (group + 1) * c.inner);
    });
  }
}

template <bool Learned>
void store(const Call& c, int64_t group, double by_frac, double by_whole) {
  c.by_frac[group] = static_cast<float>(by_frac) * kLn2;
  if constexpr (Learned) c.by_whole[group] = static_cast<float>(by_whole) * kLn2;
}

template <int R, bool Learned>
void backward_one(const Call& c) {
  const int64_t parts = (c.inner + kPart - 1) / kPart;
  std::unique_ptr<double[]> sums(new double[2 * parts + 2]());
  in_parts(c, c.inner, kPart, [&](int64_t part, int64_t from, int64_t to) {
    backward_group<R, Learned>(c, 0, from, to, &sums[2 * part]);
  });
  double by_frac = 0.0, by_whole = 0.0;
  for (int64_t part = 0; part < parts; ++part) by_frac += sums[2 * part], by_whole += sums[2 * part + 1];
  store<Learned>(c, 0, by_frac, by_whole);
}

template <int R, bool Learned>
void backward_all(const Call& c) {
  if (c.groups == 1) return backward_one<R, Learned>(c);
  in_parts(c, c.groups, 1, [&](int64_t group, int64_t, int64_t) {
    double sums[2] = {0.0, 0.0};
    backward_group<R, Learned>(c, group, group * c.inner, (group + 1) * c.inner, sums);
    store<Learned>(c, group, sums[0], sums[1]);
  });
}

template <int R, bool Learned>
void slopes_all(const Call& c) {
  for (int64_t group = 0; group < c.groups; ++group) slopes_group<R, Learned>(c, group);
}

void forward_each(const Call& c) {
  in_parts(c, c.groups, kPart, [&](int64_t, int64_t from, int64_t to) {
    c.integer ? forward_elements<true>(c, from, to) : forward_elements<false>(c, from, to);
  });
}

void backward_each(const Call& c) {
  in_parts(c, c.groups, kPart, [&](int64_t, int64_t from, int64_t to) {
    c.integer ? backward_elements<true>(c, from, to) : backward_elements<false>(c, from, to);
  });
}

using Pass = void (*)(const Call&);

#define FLOW_FORWARD(R) \
  {forward_all<R, WRAP>, forward_all<R, SAT>, forward_all<R, SAT_ZERO>, forward_all<R, SAT>, forward_all<R, WRAP_SM>}
#define FLOW_LEARNED(PASS, R) {PASS<R, false>, PASS<R, true>}
#define FLOW_ROUNDINGS(PASS)                                                                                      \
  {FLOW_LEARNED(PASS, TRN),     FLOW_LEARNED(PASS, TRN_ZERO),    FLOW_LEARNED(PASS, RND),                          \
   FLOW_LEARNED(PASS, RND_ZERO), FLOW_LEARNED(PASS, RND_INF),    FLOW_LEARNED(PASS, RND_MIN_INF),                  \
   FLOW_LEARNED(PASS, RND_CONV), {PASS<MINIFLOAT, false>, nullptr}}

// By rounding, then by overflow; a minifloat saturates. By rounding, then by whether the length is learned.
constexpr Pass kForward[][5] = {FLOW_FORWARD(TRN),      FLOW_FORWARD(TRN_ZERO), FLOW_FORWARD(RND),
                                FLOW_FORWARD(RND_ZERO), FLOW_FORWARD(RND_INF),  FLOW_FORWARD(RND_MIN_INF),
                                FLOW_FORWARD(RND_CONV), {nullptr, nullptr, nullptr, forward_all<MINIFLOAT, SAT>, nullptr}};
constexpr Pass kBackward[][2] = FLOW_ROUNDINGS(backward_all);
constexpr Pass kSlopes[][2] = FLOW_ROUNDINGS(slopes_all);

bool finite(const float* points, int64_t count) {
  int32_t bad = 0;
#pragma omp simd reduction(| : bad)
  for (int64_t i = 0; i < count; ++i) bad |= (to_bits(points[i]) & 0x7f800000) == 0x7f800000;
  return !bad;
}

int32_t lowest_point(const Options& o, const float* frac, int64_t count) {
  float lowest = frac[0];
#pragma omp simd reduction(min : lowest)
  for (int64_t i = 0; i < count; ++i) lowest = frac[i] < lowest ? frac[i] : lowest;
  return whole(lowest - static_cast<float>(o.usual), o.far) + o.usual;
}

bool each(const Call& c) { return c.groups > 1 && c.inner == 1 && c.options->rounding == RND; }

// y[groups * inner] of x, a point for each group.
void forward_pass(const Call& c) { each(c) ? forward_each(c) : kForward[c.options->rounding][c.options->overflow](c); }

// dx[groups * inner] as y, and dL/df and dL/di of each group.
void backward_pass(const Call& c) { each(c) ? backward_each(c) : kBackward[c.options->rounding][c.integer != nullptr](c); }

// dy/dx as y, dy/df over ln2 and dy/di over ln2 of each value.
void slopes_pass(const Call& c) { kSlopes[c.options->rounding][c.integer != nullptr](c); }

}  // namespace
