// flow_pool.h over a stream of positions: one row of partial results where windows do not overlap, else kept lines.
#ifndef FLOW_POOL_STREAM_H
#define FLOW_POOL_STREAM_H

#include "flow_pool.h"
#include "flow_window.h"

namespace flow {

// How the codes of a window become one: the highest.
struct highest {
    template <class T, class X> static T join(const T &held, const X &next) {
#pragma HLS INLINE
        return next > held ? T(next) : held;
    }
};

// How the codes of a window become one: the sum.
struct total {
    template <class T, class X> static T join(const T &held, const X &next) {
#pragma HLS INLINE
        return T(held + next);
    }
};

// Windows that do not overlap: the part of a window in the row at hand is a register, those above it are one row.
// \tparam JOIN                how codes become one
// \tparam X, T                types of an input and of what is kept of a window
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window, at least its size
// \tparam FINISH              function object that makes a result of what is kept
// \tparam Y                   type of a result
template <class JOIN, class X, class T, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W,
          int STRIDE_H, int STRIDE_W, class FINISH>
void pool_tiles(hls::stream<lanes<X, CHANNELS> > &x, hls::stream<lanes<Y, CHANNELS> > &y, const FINISH &finish) {
#pragma HLS INLINE
    const int ROWS = (HEIGHT - KERNEL_H) / STRIDE_H + 1;
    const int COLUMNS = (WIDTH - KERNEL_W) / STRIDE_W + 1;
    lanes<T, CHANNELS> above[COLUMNS];
    lanes<T, CHANNELS> part;
rows:
    for (int r = 0; r < HEIGHT; ++r) {
    columns:
        for (int q = 0; q < WIDTH; ++q) {
            FLOW_BEAT_A_CYCLE
            const lanes<X, CHANNELS> taken = x.read();
            const int i = r % STRIDE_H, j = q % STRIDE_W, column = q / STRIDE_W;
            if (i < KERNEL_H && j < KERNEL_W && r / STRIDE_H < ROWS && column < COLUMNS) {
                lanes<Y, CHANNELS> result;
                FLOW_ONE_WORD(result)
            codes:
                for (int c = 0; c < CHANNELS; ++c) {
#pragma HLS UNROLL
                    if (i == 0 && j == 0) {
                        part.code[c] = taken.code[c];
                    } else {
                        const T held = j == 0 ? above[column].code[c] : part.code[c];
                        part.code[c] = JOIN::join(held, taken.code[c]);
                    }
                    result.code[c] = finish(part.code[c]);
                }
                if (j == KERNEL_W - 1) {
                    above[column] = part;
                    if (i == KERNEL_H - 1) {
                        y.write(result);
                    }
                }
            }
        }
    }
}

// A code as it is.
// \tparam Y  type of a result, which holds it
template <class Y> struct as_it_is {
    template <class T> Y operator()(const T &kept) const {
#pragma HLS INLINE
        return kept;
    }
};

// The scale times a sum.
// \tparam S  type of the scale
// \tparam Y  type of a result
template <class S, class Y> struct scaled {
    S scale;
    template <class T> Y operator()(const T &kept) const {
#pragma HLS INLINE
        return scale * kept;
    }
};

// The highest code of each window; windows do not overlap.
// \tparam X, Y                types of an input and of a result, which holds it
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window, at least its size
template <class X, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W, int STRIDE_H,
          int STRIDE_W>
void max_pool2d_tiles(hls::stream<lanes<X, CHANNELS> > &x, hls::stream<lanes<Y, CHANNELS> > &y) {
    pool_tiles<highest, X, X, Y, CHANNELS, HEIGHT, WIDTH, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W>(x, y, as_it_is<Y>());
}

// The scale times the sum of each window; windows do not overlap.
// \tparam X, S, Y             types of an input, the scale, a result
// \tparam SUM                 type that holds the sum of a window
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window, at least its size
// \tparam SC                  type of the stored scale
template <class X, class S, class SUM, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W,
          int STRIDE_H, int STRIDE_W, class SC>
void avg_pool2d_tiles(hls::stream<lanes<X, CHANNELS> > &x, const SC scale[1], hls::stream<lanes<Y, CHANNELS> > &y) {
    scaled<S, Y> finish;
    finish.scale = from_code<S>(scale[0]);
    pool_tiles<total, X, SUM, Y, CHANNELS, HEIGHT, WIDTH, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W>(x, y, finish);
}

// Windows that may overlap: each is made an image of one window, which `finish` pools.
// \tparam X, Y                types of an input and of a result
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window
// \tparam FINISH              function object that pools one window
template <class X, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W, int STRIDE_H, int STRIDE_W,
          class FINISH>
void pool_windows(hls::stream<lanes<X, CHANNELS> > &x, hls::stream<lanes<Y, CHANNELS> > &y, const FINISH &finish) {
#pragma HLS INLINE
    const int LINES = KERNEL_H > 1 ? KERNEL_H - 1 : 1;
    lanes<X, CHANNELS> lines[LINES][WIDTH];
    lanes<X, CHANNELS> window[KERNEL_H][KERNEL_W];
// A memory per line, registers for the window.
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
#pragma HLS ARRAY_PARTITION variable=window complete dim=0
rows:
    for (int r = 0; r < HEIGHT; ++r) {
    columns:
        for (int q = 0; q < WIDTH; ++q) {
            FLOW_BEAT_A_CYCLE
            const lanes<X, CHANNELS> taken = x.read();
            slide<X, CHANNELS, KERNEL_H, KERNEL_W, LINES, WIDTH>(lines, window, taken, q);
            if (r >= KERNEL_H - 1 && (r - (KERNEL_H - 1)) % STRIDE_H == 0 && q >= KERNEL_W - 1 &&
                (q - (KERNEL_W - 1)) % STRIDE_W == 0) {
                X image[CHANNELS * KERNEL_H * KERNEL_W];
            codes:
                for (int k = 0; k < CHANNELS * KERNEL_H * KERNEL_W; ++k) {
#pragma HLS UNROLL
                    const int place = k % (KERNEL_H * KERNEL_W);
                    image[k] = window[place / KERNEL_W][place % KERNEL_W].code[k / (KERNEL_H * KERNEL_W)];
                }
                lanes<Y, CHANNELS> result;
                FLOW_ONE_WORD(result)
                finish(image, result.code);
                y.write(result);
            }
        }
    }
}

// The highest code of a window.
// \tparam X, Y                types of an input and of a result
// \tparam CHANNELS            channels
// \tparam KERNEL_H, KERNEL_W  size of the window
template <class X, class Y, int CHANNELS, int KERNEL_H, int KERNEL_W> struct highest_of_window {
    void operator()(const X image[], Y y[]) const {
#pragma HLS INLINE
        max_pool2d<X, Y, CHANNELS, KERNEL_H, KERNEL_W, KERNEL_H, KERNEL_W, 1, 1>(image, y);
    }
};

// The scale times the sum of a window.
// \tparam X, S, Y             types of an input, the scale, a result
// \tparam SUM                 type that holds the sum of a window
// \tparam CHANNELS            channels
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam SC                  type of the stored scale
template <class X, class S, class SUM, class Y, int CHANNELS, int KERNEL_H, int KERNEL_W, class SC>
struct mean_of_window {
    const SC *scale;
    void operator()(const X image[], Y y[]) const {
#pragma HLS INLINE
        avg_pool2d<X, S, SUM, Y, CHANNELS, KERNEL_H, KERNEL_W, KERNEL_H, KERNEL_W, 1, 1>(image, scale, y);
    }
};

// The highest code of each window.
// \tparam X, Y                types of an input and of a result, which holds it
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window
template <class X, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W, int STRIDE_H,
          int STRIDE_W>
void max_pool2d_windows(hls::stream<lanes<X, CHANNELS> > &x, hls::stream<lanes<Y, CHANNELS> > &y) {
    const highest_of_window<X, Y, CHANNELS, KERNEL_H, KERNEL_W> finish = {};
    pool_windows<X, Y, CHANNELS, HEIGHT, WIDTH, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W>(x, y, finish);
}

// The scale times the sum of each window.
// \tparam X, S, Y             types of an input, the scale, a result
// \tparam SUM                 type that holds the sum of a window
// \tparam CHANNELS            channels of input and result
// \tparam HEIGHT, WIDTH       size of the input
// \tparam KERNEL_H, KERNEL_W  size of the window
// \tparam STRIDE_H, STRIDE_W  step of the window
// \tparam SC                  type of the stored scale
template <class X, class S, class SUM, class Y, int CHANNELS, int HEIGHT, int WIDTH, int KERNEL_H, int KERNEL_W,
          int STRIDE_H, int STRIDE_W, class SC>
void avg_pool2d_windows(hls::stream<lanes<X, CHANNELS> > &x, const SC scale[1], hls::stream<lanes<Y, CHANNELS> > &y) {
    const mean_of_window<X, S, SUM, Y, CHANNELS, KERNEL_H, KERNEL_W, SC> finish = {scale};
    pool_windows<X, Y, CHANNELS, HEIGHT, WIDTH, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W>(x, y, finish);
}

} // namespace flow

#endif
