/* The states of a GRU over windows side by side, and the way back through them.
 *
 * Rows of all arrays are in the order of time: those of a step continue the first ones of the step
 * before. Gates stand in the order r, z, c; the state becomes c + z * (before - c).
 */
#ifndef SESSIONPROMPT_RECURRENT_H
#define SESSIONPROMPT_RECURRENT_H

#include "_float32.h"
#include "_products.h"

/* Row of a step: gates from what comes from the event and from the state before. */
static void gate_row(const Recurrence *gru, ptrdiff_t row, float *following)
{
    ptrdiff_t h = gru->hidden;
    float *gates = gru->gates + 3 * h * row, *shares = gru->recurrent + 3 * h * row;
    for (ptrdiff_t k = 0; k < h; k += LANES) {
        ptrdiff_t n = h - k;
        Lanes r = sigmoid_of(load_some(gates + k, n) + load_some(shares + k, n));
        Lanes z = sigmoid_of(load_some(gates + h + k, n) + load_some(shares + h + k, n));
        Lanes c = tanh_of(load_some(gates + 2 * h + k, n) + r * load_some(shares + 2 * h + k, n));
        Lanes before = load_some(gru->before + h * row + k, n);
        Lanes state = c + z * (before - c);
        store_some(gates + k, r, n);
        store_some(gates + h + k, z, n);
        store_some(gates + 2 * h + k, c, n);
        store_some(gru->states + h * row + k, state, n);
        if (following) store_some(following + k, state, n);
    }
}

static void run(const Recurrence *gru)
{
    ptrdiff_t h = gru->hidden, row = 0;
    for (ptrdiff_t t = 0; t < gru->n_steps; t++) {
        ptrdiff_t n = gru->alive[t], n_following = 0;
        if (t + 1 < gru->n_steps) n_following = gru->alive[t + 1];
        float *shares = gru->recurrent + 3 * h * row;
        for (ptrdiff_t i = 0; i < n; i++)
            memcpy(shares + 3 * h * i, gru->bias, 3 * h * sizeof(float));
        if (t > 0) /* the first states are zero */
            product(
                (Result){shares, 3 * h, 1}, (Left){gru->before + h * row, h, 1},
                (Right){gru->turned, 3 * h}, n, h, 3 * h);
        for (ptrdiff_t i = 0; i < n; i++) {
            float *following = NULL;
            if (i < n_following) following = gru->before + h * (row + n + i);
            gate_row(gru, row + i, following);
        }
        row += n;
    }
}

/* Gradients of what a row's gates were made of, from that of its state. */
static void slope_row(const Recurrence *gru, ptrdiff_t row)
{
    ptrdiff_t h = gru->hidden;
    const float *gates = gru->gates + 3 * h * row;
    float *to_gates = gru->to_gates + 3 * h * row, *shares = gru->recurrent + 3 * h * row;
    for (ptrdiff_t k = 0; k < h; k += LANES) {
        ptrdiff_t n = h - k;
        Lanes r = load_some(gates + k, n), z = load_some(gates + h + k, n);
        Lanes c = load_some(gates + 2 * h + k, n), share = load_some(shares + 2 * h + k, n);
        Lanes grad = load_some(gru->grad + h * row + k, n);
        Lanes to_c = grad * (1.0f - z) * (1.0f - c * c);
        Lanes to_r = to_c * share * r * (1.0f - r);
        Lanes to_z = grad * (load_some(gru->before + h * row + k, n) - c) * z * (1.0f - z);
        store_some(to_gates + k, to_r, n);
        store_some(to_gates + h + k, to_z, n);
        store_some(to_gates + 2 * h + k, to_c, n);
        store_some(shares + k, to_r, n);
        store_some(shares + h + k, to_z, n);
        store_some(shares + 2 * h + k, to_c * r, n);
    }
}

/* `recurrent` becomes its own gradient; `grad` gains what comes from later steps. */
static void run_back(const Recurrence *gru)
{
    ptrdiff_t h = gru->hidden, end = gru->n_rows, n_following = 0;
    for (ptrdiff_t t = gru->n_steps - 1; t >= 0; t--) {
        ptrdiff_t n = gru->alive[t], row = end - n;
        for (ptrdiff_t i = 0; i < n_following; i++)
            for (ptrdiff_t k = 0; k < h; k++)
                gru->grad[h * (row + i) + k] +=
                    gru->grad[h * (end + i) + k] * gru->gates[3 * h * (end + i) + h + k];
        product(
            (Result){gru->grad + h * row, h, 1}, (Left){gru->recurrent + 3 * h * end, 3 * h, 1},
            (Right){gru->from_h, h}, n_following, 3 * h, h);
        for (ptrdiff_t i = 0; i < n; i++) slope_row(gru, row + i);
        n_following = n;
        end = row;
    }
}
#endif
