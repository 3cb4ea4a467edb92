// y[c, m, n] = sum_k a[c, m, k] b[c, k, n], exact; both factors are values.
#ifndef FLOW_MATMUL_H
#define FLOW_MATMUL_H

#include "flow_fixed.h"

namespace flow {

// The sum is kept in the type of the result, where a partial sum that leaves it wraps harmlessly, as flow_dense.h says.
// \tparam A, B, Y  types of the factors and of the result
// \tparam COUNT    pairs of matrices
// \tparam ROWS     rows of a and of y
// \tparam TERMS    columns of a, rows of b
// \tparam COLUMNS  columns of b and of y
template <class A, class B, class Y, int COUNT, int ROWS, int TERMS, int COLUMNS>
void matmul(const A a[COUNT * ROWS * TERMS], const B b[COUNT * TERMS * COLUMNS], Y y[COUNT * ROWS * COLUMNS]) {
pairs:
    for (int c = 0; c < COUNT; ++c) {
    rows:
        for (int m = 0; m < ROWS; ++m) {
        columns:
            for (int n = 0; n < COLUMNS; ++n) {
                Y sum = 0;
            terms:
                for (int k = 0; k < TERMS; ++k) {
// One product a cycle; both factors have one read port.
#pragma HLS PIPELINE II=1
                    sum += a[(c * ROWS + m) * TERMS + k] * b[(c * TERMS + k) * COLUMNS + n];
                }
                y[(c * ROWS + m) * COLUMNS + n] = sum;
            }
        }
    }
}

} // namespace flow

#endif
