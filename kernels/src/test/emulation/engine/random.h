// A small seeded generator (splitmix64) and a shuffle.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>


namespace emulation {

class Random {
  public:
    explicit Random(uint64_t seed) : seed(seed), state(seed) {}

    uint64_t next() {
        state += 0x9E3779B97F4A7C15ull;
        uint64_t mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ull;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBull;
        return mixed ^ (mixed >> 31);
    }

    // 0 .. count-1 in a drawn order; in the natural one if the seed is 0.
    void permutation(std::vector<unsigned>& order, size_t count) {
        order.resize(count);
        std::iota(order.begin(), order.end(), 0u);
        if (seed == 0) {
            return;
        }
        for (size_t i = count; i > 1; i--) {
            // The upper half of a product is a number below i, without a division.
            size_t drawn = static_cast<size_t>((next() >> 32) * i >> 32);
            std::swap(order[i - 1], order[drawn]);
        }
    }

  private:
    uint64_t seed, state;
};

}  // namespace emulation
