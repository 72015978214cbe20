package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.CacheName;
import io.kvmanager.KvCache;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.KvCacheException.OutOfMemory;
import io.kvmanager.KvSequence;
import io.kvmanager.StepBatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * How many sequences a budget holds at once: found by running the whole load on tables alone, because a plan counts
 * every sequence at its worst moment, and prompts come one after the other.
 */
final class DecodeCapacity {
    private static final String TABLES_ONLY = "metadata";
    private static final int MOST_SEQUENCES = 4096;

    private final CacheName cache;
    private final DecodeShape shape;
    private final MemorySegment rows;
    private final MemorySegment row;

    DecodeCapacity(CacheName cache, DecodeShape shape) {
        this.cache = cache;
        this.shape = shape;
        CacheGeometry geometry = shape.geometry();
        // Their length is checked; no kernel of this device reads them.
        rows = MemorySegment.NULL.reinterpret(4L * shape.promptTokens() * geometry.queryRowElements());
        // A cache that looks at single queries does read this, and writes its output here.
        row = Arena.ofAuto().allocate(4L * geometry.queryRowElements(), 64);
    }

    /** Sequences that a plan promises; 0 if it does not hold one. */
    int planned() {
        int sequences = 0;
        while (sequences < MOST_SEQUENCES && plans(sequences + 1)) {
            sequences++;
        }
        return sequences;
    }

    private boolean plans(int sequences) {
        KvCacheConfig config = shape.config(cache, sequences, TABLES_ONLY);
        return KvCache.plan(config).deviceBytes() <= shape.deviceBytes()
                && KvCache.plan(config).sequences() >= sequences;
    }

    /** Sequences that can be open at once, from their prompts to their last tokens. */
    int held() {
        int holds = 0;
        int fails = 1;
        while (fails <= MOST_SEQUENCES && holds(fails)) {
            holds = fails;
            fails *= 2;
        }
        while (fails - holds > 1) {
            int middle = (holds + fails) / 2;
            if (holds(middle)) {
                holds = middle;
            } else {
                fails = middle;
            }
        }
        return holds;
    }

    private boolean holds(int sequences) {
        try (KvCache open = KvCache.open(shape.config(cache, sequences, TABLES_ONLY))) {
            List<KvSequence> all = new ArrayList<>();
            for (int i = 0; i < sequences; i++) {
                all.add(open.openSequence());
                prompt(all.getLast(), shape.promptTokens(), shape.geometry().layers(), rows, rows, rows);
            }
            StepBatch batch = new StepBatch();
            for (int token = 0; token < shape.newTokens(); token++) {
                batch.clear();
                all.forEach(batch::token);
                open.begin(batch);
                for (KvSequence sequence : all) {
                    for (int layer = 0; layer < shape.geometry().layers(); layer++) {
                        sequence.attend(layer, row, row, row, row);
                    }
                    sequence.commit();
                }
            }
            return true;
        } catch (OutOfMemory shortage) {
            return false;
        }
    }

    /** Runs a prompt of which nobody reads the output. */
    static void prompt(KvSequence sequence, int tokens, int layers, MemorySegment q, MemorySegment k, MemorySegment v) {
        sequence.beginPrompt(tokens);
        int alive = tokens;
        for (int layer = 0; layer < layers; layer++) {
            alive = sequence.attendPrompt(layer, alive, q, k, v, q).count();
        }
        sequence.commit();
    }
}
