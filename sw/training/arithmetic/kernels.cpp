// Two things that training spends its time on and that torch has no single operation for: products with few spikes, and all ticks
// of LIF neurons. Every number is added in one fixed order and nothing is contracted (no fused multiply-add), so a machine's width
// of vectors changes no bit. Called by compiled.py, which also says what the arguments must be.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
static const int64_t LANES = 8;
static const int64_t TILE = 64;  // inputs, and outputs, at a time: their weights (16 KiB) stay in the first cache

static inline uint64_t bits(const float *x, int64_t n) {
    uint64_t found = 0;
    for (int64_t i = 0; i < n; i++) found |= uint64_t(x[i] != 0) << i;
    return found;
}

#ifdef __AVX2__
#include <immintrin.h>
static inline uint64_t bits64(const float *x) {
    uint64_t found = 0;
    for (int i = 0; i < 8; i++) {
        const __m256 other = _mm256_cmp_ps(_mm256_loadu_ps(x + 8 * i), _mm256_setzero_ps(), _CMP_NEQ_UQ);
        found |= uint64_t(uint32_t(_mm256_movemask_ps(other))) << (8 * i);
    }
    return found;
}
#else
static inline uint64_t bits64(const float *x) { return bits(x, TILE); }
#endif

static inline Lanes load(const float *from) { return *reinterpret_cast<const Lanes *>(from); }
static inline void store(float *to, Lanes v) { *reinterpret_cast<Lanes *>(to) = v; }

// L vectors, of which the last one has `rest` numbers.
template <int L>
static inline void load(Lanes *v, const float *from, int64_t rest) {
    for (int k = 0; k < L - 1; k++) v[k] = load(from + k * LANES);
    if (rest == LANES) {
        v[L - 1] = load(from + (L - 1) * LANES);
    } else {
        float last[LANES] = {};
        for (int64_t k = 0; k < rest; k++) last[k] = from[(L - 1) * LANES + k];
        v[L - 1] = load(last);
    }
}

template <int L>
static inline void store(float *to, const Lanes *v, int64_t rest) {
    for (int k = 0; k < L - 1; k++) store(to + k * LANES, v[k]);
    if (rest == LANES) {
        store(to + (L - 1) * LANES, v[L - 1]);
    } else {
        float last[LANES];
        store(last, v[L - 1]);
        for (int64_t k = 0; k < rest; k++) to[(L - 1) * LANES + k] = last[k];
    }
}

// Outputs c .. c + width - 1, width <= 8 L, of all rows. Weights of a tile are turned around so that those of an input lie together.
template <int L, bool ones>
static void forward(const float *values, const uint64_t *mask, const float *weight, float *out, int64_t R, int64_t I, int64_t O,
                    int64_t c, int64_t width) {
    const int64_t rest = width - (L - 1) * LANES;
    float tile[TILE][L * LANES];
    for (int64_t first = 0; first < I; first += TILE, mask += R) {
        const int64_t inputs = std::min(TILE, I - first);
        std::memset(tile, 0, sizeof tile);
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < inputs; i++) tile[i][j] = weight[(c + j) * I + first + i];
        for (int64_t r = 0; r < R; r++) {
            Lanes sum[L] = {};
            if (first) load<L>(sum, out + r * O + c, rest);
            for (uint64_t left = mask[r]; left; left &= left - 1) {
                const int i = __builtin_ctzll(left);
                const float n = ones ? 1.0f : *values++;
                for (int k = 0; k < L; k++) sum[k] += ones ? load(tile[i] + k * LANES) : load(tile[i] + k * LANES) * n;
            }
            store<L>(out + r * O + c, sum, rest);
        }
    }
}

// The same for the gradient of the weights, from that of the outputs.
template <int L, bool ones>
static void backward(const float *values, const uint64_t *mask, const float *grad, float *of_weight, int64_t R, int64_t I, int64_t O,
                     int64_t c, int64_t width) {
    const int64_t rest = width - (L - 1) * LANES;
    float tile[TILE][L * LANES];
    for (int64_t first = 0; first < I; first += TILE, mask += R) {
        const int64_t inputs = std::min(TILE, I - first);
        std::memset(tile, 0, sizeof tile);
        for (int64_t r = 0; r < R; r++) {
            Lanes g[L];
            load<L>(g, grad + r * O + c, rest);
            for (uint64_t left = mask[r]; left; left &= left - 1) {
                const int i = __builtin_ctzll(left);
                const float n = ones ? 1.0f : *values++;
                for (int k = 0; k < L; k++) store(tile[i] + k * LANES, load(tile[i] + k * LANES) + (ones ? g[k] : g[k] * n));
            }
        }
        for (int64_t j = 0; j < width; j++)
            for (int64_t i = 0; i < inputs; i++) of_weight[(c + j) * I + first + i] = tile[i][j];
    }
}

template <bool back, bool ones>
static void columns(const float *values, const uint64_t *mask, const float *from, float *to, int64_t R, int64_t I, int64_t O) {
    for (int64_t c = 0, width; c < O; c += width) {
        width = std::min(TILE, O - c);
        for (int64_t fits = TILE; fits > LANES; fits /= 2)
            if (width > fits / 2 && width < fits) width = fits / 2;
        const auto part = width > 32 ? (back ? backward<8, ones> : forward<8, ones>)
                        : width > 16 ? (back ? backward<4, ones> : forward<4, ones>)
                        : width > 8  ? (back ? backward<2, ones> : forward<2, ones>)
                                     : (back ? backward<1, ones> : forward<1, ones>);
        part(values, mask, from, to, R, I, O, c, width);
    }
}

static const int64_t BLOCK = 1024;  // neurons whose potentials stay in the first cache through all ticks

// Of m, m + 1, .. n values that repeat themselves.
static inline void repeated(float *to, const float *from, int64_t period, int64_t m, int64_t n) {
    for (int64_t j = 0, at = m % period; j < n; j++) {
        to[j] = from[at];
        at = at + 1 == period ? 0 : at + 1;
    }
}

template <bool whole, bool subtract>
static void ticks(const float *drive, const float *start, const float *threshold, float *spikes, float *potential, int64_t T,
                  int64_t M, int64_t starts, int64_t thresholds, float share) {
    const float kept = 1.0f - share;
    float v[BLOCK], th[BLOCK];
    for (int64_t m = 0; m < M; m += BLOCK) {
        const int64_t n = std::min(BLOCK, M - m);
        repeated(v, start, starts, m, n);
        repeated(th, threshold, thresholds, m, n);
        for (int64_t t = 0; t < T; t++) {
            const float *__restrict d = drive + t * M + m;
            float *__restrict s = spikes + t * M + m, *__restrict u = potential + t * M + m;
            for (int64_t j = 0; j < n; j++) {
                const float p = d[j] + (whole ? v[j] - std::floor(v[j] * share) : kept * v[j]);
                u[j] = p;
                s[j] = p >= th[j] ? 1.0f : 0.0f;
                v[j] = p - (p >= th[j] ? (subtract ? th[j] : p) : 0.0f);
            }
        }
    }
}

extern "C" {

// How many of every step-th row's values are not 0.
int64_t sampled(const float *x, int64_t R, int64_t I, int64_t step) {
    int64_t found = 0;
    for (int64_t r = 0; r < R; r += step) {
        int32_t of_row = 0;
        for (int64_t i = 0; i < I; i++) of_row += x[r * I + i] != 0;
        found += of_row;
    }
    return found;
}

// mask (ceil(I / 64), R): a bit for each value of x (R, I) that is not 0. Returns how many there are, or -1 - that where all are 1.
int64_t mark(const float *x, uint64_t *mask, int64_t R, int64_t I) {
    int32_t other = 0;
    int64_t found = 0;
    for (int64_t r = 0; r < R; r++)
        for (int64_t i = 0; i < I; i += TILE) {
            const float *here = x + r * I + i;
            const int64_t n = std::min(TILE, I - i);
            const uint64_t word = n == TILE ? bits64(here) : bits(here, n);
            mask[i / TILE * R + r] = word;
            found += __builtin_popcountll(word);
            for (int64_t k = 0; k < n; k++) other |= (here[k] != 0) & (here[k] != 1);
        }
    return other ? found : -1 - found;
}

// The values of x that are not 0, in the order of their marks, in which they are wanted: reading x itself in that order would touch
// another page of memory for each row.
void pick(const float *x, const uint64_t *mask, float *values, int64_t R, int64_t I) {
    const int64_t tiles = (I + TILE - 1) / TILE;
    std::vector<int64_t> at(size_t(tiles * R));
    for (int64_t k = 0, behind = 0; k < tiles * R; k++) {
        at[size_t(k)] = behind;
        behind += __builtin_popcountll(mask[k]);
    }
    for (int64_t r = 0; r < R; r++)
        for (int64_t k = r, i = 0; i < I; k += R, i += TILE) {
            float *to = values + at[size_t(k)];
            for (uint64_t left = mask[k]; left; left &= left - 1) *to++ = x[r * I + i + __builtin_ctzll(left)];
        }
}

// out (R, O) = counts (R, I) times weight (O, I) turned around; values: null where all marked counts are 1.
void project(const float *values, const uint64_t *mask, const float *weight, float *out, int64_t R, int64_t I, int64_t O) {
    (values ? columns<false, false> : columns<false, true>)(values, mask, weight, out, R, I, O);
}

// of_weight (O, I) = grad (R, O) turned around times counts (R, I).
void project_back(const float *values, const uint64_t *mask, const float *grad, float *of_weight, int64_t R, int64_t I, int64_t O) {
    (values ? columns<true, false> : columns<true, true>)(values, mask, grad, of_weight, R, I, O);
}

// drive, spikes, potential (T, M); start and threshold are of so many neurons, and the next ones have the same. leak < 0: none. whole: the leak is rounded down.
void lif(const float *drive, const float *start, const float *threshold, float *spikes, float *potential, int64_t T, int64_t M,
         int64_t starts, int64_t thresholds, int leak, int subtract, int whole) {
    const auto chosen = whole ? (subtract ? ticks<true, true> : ticks<true, false>)
                              : (subtract ? ticks<false, true> : ticks<false, false>);
    chosen(drive, start, threshold, spikes, potential, T, M, starts, thresholds, leak < 0 ? 0.0f : std::ldexp(1.0f, -leak));
}

// of_drive (T, M) and, unless null, of_threshold (M) from of_spikes and of_potential (T, M), of which one may be null.
void lif_back(const float *of_spikes, const float *of_potential, const float *potential, const float *threshold, float *of_drive,
              float *of_threshold, int64_t T, int64_t M, int64_t thresholds, int leak, int subtract, float width) {
    const float kept = leak < 0 ? 1.0f : 1.0f - std::ldexp(1.0f, -leak);
    float later[BLOCK], of[BLOCK], th[BLOCK], inverse[BLOCK];
    for (int64_t m = 0; m < M; m += BLOCK) {
        const int64_t n = std::min(BLOCK, M - m);
        repeated(th, threshold, thresholds, m, n);
        std::memset(later, 0, sizeof later);
        std::memset(of, 0, sizeof of);
        for (int64_t j = 0; j < n; j++) inverse[j] = 1.0f / th[j];
        for (int64_t t = T - 1; t >= 0; t--) {
            const float *__restrict u = potential + t * M + m;
            const float *__restrict os = of_spikes ? of_spikes + t * M + m : nullptr;
            const float *__restrict ou = of_potential ? of_potential + t * M + m : nullptr;
            float *__restrict g = of_drive + t * M + m;
            if (os)
                for (int64_t j = 0; j < n; j++) {
                    const float ratio = u[j] * inverse[j], x = 1.0f - std::fabs(ratio - 1.0f) / width;
                    g[j] = (x > 0.0f ? x : 0.0f) * os[j] * inverse[j] / width;
                    of[j] -= ratio * g[j];
                }
            else
                std::memset(g, 0, size_t(n) * sizeof *g);
            if (ou)
                for (int64_t j = 0; j < n; j++) g[j] += ou[j];
            for (int64_t j = 0; j < n; j++) {
                const float fired = u[j] >= th[j] ? 1.0f : 0.0f, behind = kept * later[j];
                of[j] -= subtract ? behind * fired : 0.0f;
                later[j] = g[j] += subtract ? behind : behind - behind * fired;
            }
        }
        if (of_threshold) std::memcpy(of_threshold + m, of, size_t(n) * sizeof *of);
    }
}
}
