/*
 * crew.hpp - several threads for one model: its windows, that come many at once, are shared among them.
 *
 * To the detector it is a model like any other. As a window's score does not depend on its neighbours, the scores are
 * those of one thread, bit for bit.
 */
#ifndef TSAD_CREW_HPP
#define TSAD_CREW_HPP

#include "tsad.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <future>
#include <vector>

class Crew {
  public:
    Crew(const tsad_model &model, std::size_t threads) : model_(model), shared_(model), arenas_(threads) {
        shared_.forward = forward;
        shared_.state_size = 0;                              /* of a stream, too, the threads take windows */
        shared_.arena_fixed = TSAD_ROUND_UP(sizeof(Crew *)); /* all that the arena holds is whose it is */
        shared_.arena_window = 0;
        for (auto &arena : arenas_)
            arena.resize((model.arena_fixed + BLOCK * model.arena_window) / sizeof(std::uint64_t) + 1);
    }
    Crew(const Crew &) = delete;
    Crew &operator=(const Crew &) = delete;

    /* For tsad_init; afterwards the detector is to be told whose it is. */
    const tsad_model *model() const { return &shared_; }
    void adopt(const tsad &detector) { *static_cast<Crew **>(static_cast<void *>(detector.arena)) = this; }

    /* Windows that a detector should give at once: enough that a thread is worth its start. */
    std::size_t batch() const { return 16 * BLOCK * arenas_.size(); }

  private:
    static constexpr std::size_t BLOCK = 32; /* windows whose arena stays near */

    static void forward(const void *slots, std::size_t n, float *scores, float *parts, void *arena) {
        Crew &crew = **static_cast<Crew **>(arena);
        const std::size_t share = (n + crew.arenas_.size() - 1) / crew.arenas_.size();
        std::vector<std::future<void>> others;
        for (std::size_t k = 1; k < crew.arenas_.size() && k * share < n; k++)
            others.push_back(std::async(std::launch::async, [&crew, slots, n, scores, parts, share, k] {
                crew.work(k, slots, k * share, std::min(n, (k + 1) * share), scores, parts);
            }));
        crew.work(0, slots, 0, std::min(n, share), scores, parts);
        for (auto &other : others)
            other.get();
    }

    void work(std::size_t k, const void *slots, std::size_t first, std::size_t end, float *scores, float *parts) {
        const auto *from = static_cast<const unsigned char *>(slots);
        for (std::size_t at = first; at < end; at += BLOCK)
            model_.forward(from + at * model_.slot_size, std::min(BLOCK, end - at), scores + at,
                           parts != nullptr ? parts + at * model_.parts : nullptr, arenas_[k].data());
    }

    const tsad_model &model_;
    tsad_model shared_;
    std::vector<std::vector<std::uint64_t>> arenas_; /* one a thread */
};

#endif
