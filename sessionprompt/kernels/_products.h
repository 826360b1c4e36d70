/* A product of matrices, the left one with any steps, in blocks of 4 x 3 registers. */
#ifndef SESSIONPROMPT_PRODUCTS_H
#define SESSIONPROMPT_PRODUCTS_H

#include "_lanes.h"

enum { TILE = 4, MOST_REGISTERS = 3 }; /* 12 sums, 3 factors and 1 more: the registers of AVX2 */

/* Number (r, c) is values[r * row + c * step]. */
typedef struct {
    const float *values;
    ptrdiff_t row, step;
} Left;

/* Number (r, c) is values[r * row + c]. */
typedef struct {
    const float *values;
    ptrdiff_t row;
} Right;

typedef struct {
    float *values;
    ptrdiff_t row;
    int add; /* to what is there */
} Result;

/* One block: result[r][c] = sum over k < n of left[r][k] * right[k][c]; in the last register are
 * `last` columns. */
INLINE void product_block(
    Result result, Left left, Right right, ptrdiff_t n, const int rows, const int registers,
    ptrdiff_t last)
{
    Lanes sums[TILE][MOST_REGISTERS] = {{{0}}};
    for (ptrdiff_t k = 0; k < n; k++) {
        Lanes factors[MOST_REGISTERS];
        UNROLL for (int v = 0; v < registers; v++)
            factors[v] = load_some(
                right.values + k * right.row + v * LANES, v == registers - 1 ? last : LANES);
        UNROLL for (int r = 0; r < rows; r++) {
            Lanes factor = all_of(left.values[r * left.row + k * left.step]);
            UNROLL for (int v = 0; v < registers; v++) sums[r][v] += factor * factors[v];
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < registers; v++) {
            ptrdiff_t lanes = v == registers - 1 ? last : LANES;
            float *place = result.values + r * result.row + v * LANES;
            Lanes before = result.add ? load_some(place, lanes) : (Lanes){0};
            store_some(place, before + sums[r][v], lanes);
        }
}

/* Some rows of the result, block by block. */
INLINE void product_rows(
    Result result, Left left, Right right, ptrdiff_t n, ptrdiff_t columns, const int rows)
{
    enum { WIDE = MOST_REGISTERS * LANES };
    for (; columns >= WIDE; columns -= WIDE) {
        product_block(result, left, right, n, rows, MOST_REGISTERS, LANES);
        result.values += WIDE;
        right.values += WIDE;
    }
    if (columns == 2 * LANES) product_block(result, left, right, n, rows, 2, LANES);
    else if (columns == LANES) product_block(result, left, right, n, rows, 1, LANES);
    else if (columns > 0)
        for (ptrdiff_t c = 0; c < columns; c += LANES) {
            Result part = {result.values + c, result.row, result.add};
            Right some = {right.values + c, right.row};
            product_block(part, left, some, n, rows, 1, columns - c);
        }
}

/* result (rows, columns) = left (rows, n) * right (n, columns), or what is there and that. */
static void product(
    Result result, Left left, Right right, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t columns)
{
    for (; rows >= TILE; rows -= TILE) {
        product_rows(result, left, right, n, columns, TILE);
        result.values += TILE * result.row;
        left.values += TILE * left.row;
    }
    if (rows == 3) product_rows(result, left, right, n, columns, 3);
    if (rows == 2) product_rows(result, left, right, n, columns, 2);
    if (rows == 1) product_rows(result, left, right, n, columns, 1);
}
#endif
