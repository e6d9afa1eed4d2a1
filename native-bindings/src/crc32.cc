#include "crc32.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

namespace varve {

namespace {

// x^32 + x^26 + … + 1 with its bits reversed, as the checksum is computed least significant bit first.
constexpr uint32_t kPolynomial = 0xEDB88320;

// Table k advances a byte past k further zero bytes, so that eight bytes are taken in one step.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; byte += 1) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit += 1) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t table = 1; table < 8; table += 1) {
    for (size_t byte = 0; byte < 256; byte += 1) {
      const uint32_t before = tables[table - 1][byte];
      tables[table][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

// The functions below work on the inverted checksum, the form in which it is kept between steps.
uint32_t by_tables(uint32_t state, const uint8_t* bytes, size_t length) {
  for (; length >= 8; bytes += 8, length -= 8) {
    const uint32_t low = state ^ (uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 |
                                  uint32_t{bytes[3]} << 24);
    state = kTables[7][low & 0xFF] ^ kTables[6][(low >> 8) & 0xFF] ^ kTables[5][(low >> 16) & 0xFF] ^
            kTables[4][low >> 24] ^ kTables[3][bytes[4]] ^ kTables[2][bytes[5]] ^ kTables[1][bytes[6]] ^
            kTables[0][bytes[7]];
  }
  for (; length > 0; bytes += 1, length -= 1) state = (state >> 8) ^ kTables[0][(state ^ *bytes) & 0xFF];
  return state;
}

#if defined(__x86_64__)

// Carry-less multiplication ("Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009):
// what has been read is moved on over what follows it and added to it, until one register of 16 bytes is left, which is
// reduced to 32 bits.
#define VARVE_CLMUL __attribute__((target("pclmul,sse4.1")))
#define VARVE_WIDE_CLMUL __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.1")))

// x^power modulo the polynomial, bit-reversed and shifted by one.
constexpr int64_t x_to_the(int power) {
  uint32_t rest = 0x80000000;
  for (int step = 0; step < power; step += 1) rest = (rest >> 1) ^ ((rest & 1) != 0 ? kPolynomial : 0);
  return static_cast<int64_t>(uint64_t{rest} << 1);
}

// What moves the lower and the upper half of a register on.
struct Distance {
  constexpr explicit Distance(int bytes) : low(x_to_the(8 * bytes + 32)), high(x_to_the(8 * bytes - 32)) {}
  int64_t low;
  int64_t high;
};
constexpr Distance kOver16Bytes{16};
constexpr Distance kOver64Bytes{64};
constexpr Distance kOver256Bytes{256};
constexpr int64_t kOver4Bytes = x_to_the(64);

VARVE_CLMUL __m128i load(const uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }

VARVE_CLMUL __m128i constants(Distance distance) { return _mm_set_epi64x(distance.high, distance.low); }

// Moves `value` on by the distance of `over` and adds what lies there.
VARVE_CLMUL __m128i fold(__m128i value, __m128i over, __m128i there) {
  const __m128i low = _mm_clmulepi64_si128(value, over, 0x00);
  const __m128i high = _mm_clmulepi64_si128(value, over, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

// 64 bytes in four registers, and `length` bytes behind them, a multiple of 16 below 64. Inlined, so that it is made of
// AVX instructions where wide registers have been used: those of SSE would wait for their upper halves, five-fold.
VARVE_CLMUL __attribute__((always_inline)) inline uint32_t reduce(__m128i a, __m128i b, __m128i c, __m128i d, const uint8_t* bytes, size_t length) {
  const __m128i over_16_bytes = constants(kOver16Bytes);
  const __m128i over_4_bytes = _mm_set_epi64x(0, kOver4Bytes);
  const __m128i polynomial_and_quotient = _mm_set_epi64x(0x1f7011641, 0x1db710641);
  const __m128i low_32_bits = _mm_setr_epi32(-1, 0, -1, 0);
  a = fold(a, over_16_bytes, b);
  a = fold(a, over_16_bytes, c);
  a = fold(a, over_16_bytes, d);
  for (; length >= 16; bytes += 16, length -= 16) a = fold(a, over_16_bytes, load(bytes));

  // 128 bits to 96, to 64, and by Barrett's reduction to the 32 of the checksum.
  a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, over_16_bytes, 0x10));
  a = _mm_xor_si128(_mm_srli_si128(a, 4), _mm_clmulepi64_si128(_mm_and_si128(a, low_32_bits), over_4_bytes, 0x00));
  __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(a, low_32_bits), polynomial_and_quotient, 0x10);
  quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_32_bits), polynomial_and_quotient, 0x00);
  return static_cast<uint32_t>(_mm_extract_epi32(_mm_xor_si128(a, quotient), 1));
}

// `length` is at least 64 and a multiple of 16.
VARVE_CLMUL uint32_t by_multiplication(uint32_t state, const uint8_t* bytes, size_t length) {
  const __m128i over_64_bytes = constants(kOver64Bytes);
  __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi32_si128(static_cast<int>(state)));
  __m128i b = load(bytes + 16);
  __m128i c = load(bytes + 32);
  __m128i d = load(bytes + 48);
  for (bytes += 64, length -= 64; length >= 64; bytes += 64, length -= 64) {
    a = fold(a, over_64_bytes, load(bytes));
    b = fold(b, over_64_bytes, load(bytes + 16));
    c = fold(c, over_64_bytes, load(bytes + 32));
    d = fold(d, over_64_bytes, load(bytes + 48));
  }
  return reduce(a, b, c, d, bytes, length);
}

VARVE_WIDE_CLMUL __m512i load_wide(const uint8_t* bytes) { return _mm512_loadu_si512(bytes); }

VARVE_WIDE_CLMUL __m512i constants_wide(Distance distance) {
  const auto [low, high] = distance;
  return _mm512_set_epi64(high, low, high, low, high, low, high, low);
}

VARVE_WIDE_CLMUL __m512i fold_wide(__m512i value, __m512i over, __m512i there) {
  const __m512i low = _mm512_clmulepi64_epi128(value, over, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(value, over, 0x11);
  return _mm512_ternarylogic_epi64(low, high, there, 0x96);  // The exclusive or of all three.
}

// The same four products at once. `length` is at least 256 and a multiple of 16.
VARVE_WIDE_CLMUL uint32_t by_wide_multiplication(uint32_t state, const uint8_t* bytes, size_t length) {
  const __m512i over_256_bytes = constants_wide(kOver256Bytes);
  const __m512i over_64_bytes = constants_wide(kOver64Bytes);
  const __m512i begin = _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state)));
  __m512i a = _mm512_xor_si512(load_wide(bytes), begin);
  __m512i b = load_wide(bytes + 64);
  __m512i c = load_wide(bytes + 128);
  __m512i d = load_wide(bytes + 192);
  for (bytes += 256, length -= 256; length >= 256; bytes += 256, length -= 256) {
    a = fold_wide(a, over_256_bytes, load_wide(bytes));
    b = fold_wide(b, over_256_bytes, load_wide(bytes + 64));
    c = fold_wide(c, over_256_bytes, load_wide(bytes + 128));
    d = fold_wide(d, over_256_bytes, load_wide(bytes + 192));
  }
  a = fold_wide(a, over_64_bytes, b);
  a = fold_wide(a, over_64_bytes, c);
  a = fold_wide(a, over_64_bytes, d);
  for (; length >= 64; bytes += 64, length -= 64) a = fold_wide(a, over_64_bytes, load_wide(bytes));
  // Through memory: for the instructions that take a register apart GCC 12 warns of its own header.
  alignas(64) uint8_t parts[64];
  _mm512_store_si512(parts, a);
  return reduce(load(parts), load(parts + 16), load(parts + 32), load(parts + 48), bytes, length);
}

bool has_fast_way() {
  static const bool has = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return has;
}

bool has_wide_way() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
  return has;
}

uint32_t fast_way(uint32_t state, const uint8_t* bytes, size_t length) {
  const size_t whole = length >= 64 ? length & ~size_t{15} : 0;
  if (whole >= 256 && has_wide_way()) {
    state = by_wide_multiplication(state, bytes, whole);
  } else if (whole > 0) {
    state = by_multiplication(state, bytes, whole);
  }
  return by_tables(state, bytes + whole, length - whole);
}

#elif defined(__aarch64__)

#if defined(__clang__)
#define VARVE_CRC __attribute__((target("crc")))
#else
#define VARVE_CRC __attribute__((target("+crc")))
#endif

bool has_fast_way() {
#if defined(__linux__)
  constexpr unsigned long kHasCrc32 = 1UL << 7;  // HWCAP_CRC32
  static const bool has = (getauxval(AT_HWCAP) & kHasCrc32) != 0;
  return has;
#else
  return true;  // Every 64-bit processor of Apple has it.
#endif
}

VARVE_CRC uint32_t fast_way(uint32_t state, const uint8_t* bytes, size_t length) {
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    state = __crc32d(state, word);
  }
  for (; length > 0; bytes += 1, length -= 1) state = __crc32b(state, *bytes);
  return state;
}

#else

bool has_fast_way() { return false; }
uint32_t fast_way(uint32_t state, const uint8_t* bytes, size_t length) { return by_tables(state, bytes, length); }

#endif

}  // namespace

uint32_t crc32(uint32_t crc, const uint8_t* bytes, size_t length) {
  return ~(has_fast_way() ? fast_way(~crc, bytes, length) : by_tables(~crc, bytes, length));
}

}  // namespace varve
