package io.kvmanager.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.ElementType;
import io.kvmanager.PlacementPolicy;
import io.kvmanager.RetentionPolicy;
import io.kvmanager.ValueSelection;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Random lives of one layer beside {@link SlowLayerShape}. */
class LayerShapeTest {
    private static final long SEED = 20261130;
    private static final int LAYERS = 3;
    private static final int MOST_TOKENS = 70;

    /** Columns: retention, recent tokens of pruning, compensation (resident: V is), sinks, recent tokens of V. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "all; 0; resident; 0; 0",
                "all; 0; NONE; 1; 0",
                "all; 0; MEAN; 0; 9",
                "all; 0; INT4; 1; 20",
                "all; 0; INT8; 5; 3",
                "local(sinks=2,recent=11); 11; MEAN; 1; 4",
                "layers(1/.3/.6,recent=7,queries=5); 7; resident; 0; 0",
                "layers(.1/.3/.6,recent=7,queries=5); 7; INT8; 2; 6",
                "layers(.9/1/.3,recent=1,queries=9); 1; MEAN; 0; 0"
            })
    void countsWhatTheBlocksAre(String retention, int recent, String compensation, int sinks, int recentValues) {
        SplittableRandom random = new SplittableRandom(SEED);
        for (int round = 0; round < 60; round++) {
            int blockTokens = 2 << random.nextInt(3);
            Pair pair = new Pair(retention, compensation, sinks, recentValues, blockTokens, round % LAYERS);
            pair.require();
            if (random.nextInt(3) > 0) {
                pair.prompt(1 + random.nextInt(50), recent);
            }
            for (int i = 0; i < 30; i++) {
                int slots = random.nextInt(pair.slow.kept() + 1);
                pair.requireLookAhead(1 + random.nextInt(40), recent, slots);
                if (random.nextInt(6) == 0) {
                    pair.fast.truncate(slots);
                    pair.slow.truncate(slots);
                } else {
                    pair.tokens(1 + random.nextInt(7), recent);
                }
                pair.require();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"resident, 0", "NONE, 1", "MEAN, 2", "INT4, 0"})
    void chunksArePrunedOneByOne(String compensation, int sinks) {
        SplittableRandom random = new SplittableRandom(SEED + 1);
        for (int round = 0; round < 90; round++) {
            String retention = "chunks(1/.3/.6,size=12,queries=3,sinks=1)";
            Pair pair = new Pair(retention, compensation, sinks, 5, 4, round % LAYERS);
            if (round % 2 == 0) {
                int blocks = pair.schedule.keptOfWindow(round % LAYERS) / 4 * random.nextInt(3);
                pair.fast.adopt(blocks);
                pair.slow.adopt(blocks);
                pair.require();
            }
            for (int i = 0; i < 5; i++) {
                pair.chunks(1 + random.nextInt(40));
            }
        }
    }

    /** A layer, and the slow version of it. */
    private static final class Pair {
        final PyramidSchedule schedule;
        final LayerShape fast;
        final SlowLayerShape slow;
        private final String what;

        Pair(String retention, String compensation, int sinks, int recentValues, int blockTokens, int layer) {
            CacheGeometry geometry = new CacheGeometry(LAYERS, 4, 2, 4, blockTokens, ElementType.F32);
            PlacementPolicy placement = compensation.equals("resident")
                    ? new PlacementPolicy.Resident()
                    : new PlacementPolicy.Offloaded(
                            new ValueSelection.TopN(1),
                            Compensation.valueOf(compensation),
                            sinks,
                            recentValues,
                            sinks == 2 ? 1 : 0,
                            8);
            schedule = new PyramidSchedule(RetentionPolicy.parse(retention), LAYERS, blockTokens);
            fast = new LayerShape(layer, schedule, geometry, placement);
            slow = new SlowLayerShape(layer, schedule, geometry, placement);
            what = "seed " + SEED + ", layer " + layer + ", blocks of " + blockTokens;
            boolean offloads =
                    placement instanceof PlacementPolicy.Offloaded some && layer >= some.residentValueLayers();
            assertEquals(offloads, fast.offloads(), what);
            assertEquals(offloads ? StandInShape.of(geometry, placement) : StandInShape.NONE, fast.standIns(), what);
        }

        void require() {
            require(fast, slow);
        }

        private void require(LayerShape one, SlowLayerShape other) {
            assertEquals(other.kept(), one.kept(), what);
            assertEquals(other.frontier(), one.frontier(), what);
            assertEquals(other.blocks(), one.blocks(), what);
            assertEquals(other.settledBlocks(), one.settledBlocks(), what);
            assertEquals(other.droppedBlocks(), one.residentFrom() - one.sinkBlocks(), what);
            assertEquals(other.standInBlocks(), one.standInBlocks(one.settledBlocks()), what);
            assertEquals(other.homes(), one.homes(one.settledBlocks()), what);
            assertEquals(other.deviceBlocks(), one.deviceBlocks(), what);
            assertEquals(other.queryBlocks(), other.kept() == 0 ? 0 : one.queryBlocks(), what);
        }

        void prompt(int slots, int recent) {
            fast.prompt(slots, recent);
            slow.prompt(slots, schedule.frontierAfterPrompt(slots, recent));
            assertEquals(0, fast.settledBlocks());
            settle(slow);
            assertEquals(slow.settledBlocks(), fast.settle());
            assertEquals(slow.droppedBlocks() + fast.sinkBlocks(), fast.drop());
        }

        void tokens(int tokens, int recent) {
            for (int i = 0; i < tokens; i++) {
                fast.append(1);
                slow.append();
                while (slow.pruneDue(recent)) {
                    assertTrue(fast.pruneDue(recent), what);
                    fast.pruned();
                    slow.pruned();
                }
                assertEquals(slow.pruneDue(recent), fast.pruneDue(recent), what);
                fast.settle();
                fast.drop();
                settle(slow);
            }
        }

        private static void settle(SlowLayerShape shape) {
            shape.settle();
            shape.drop();
        }

        /** What is foreseen is what comes. */
        void requireLookAhead(int tokens, int recent, int slots) {
            SlowLayerShape quiet = new SlowLayerShape(slow);
            int count = 0;
            while (count < MOST_TOKENS && quiet.quietToken(recent)) {
                count++;
            }
            assertEquals(count, Math.min(MOST_TOKENS, fast.quietTokens(recent)), what);

            SlowLayerShape after = new SlowLayerShape(slow);
            for (int i = 0; i < tokens; i++) {
                after.append();
            }
            assertEquals(after.pruneDue(recent), fast.pruneDueAfter(tokens, recent), what);
            int keyValue = 2 * (after.blocks() - slow.blocks());
            int queries = after.queryBlocks() - slow.queryBlocks();
            while (after.pruneDue(0)) { // whatever the recent window is by then
                after.pruned();
            }
            after.settle();
            assertEquals(after.settledBlocks(), fast.settledAtMost(tokens), what);
            assertEquals(
                    keyValue + queries + after.standInBlocks() - slow.standInBlocks(), fast.newBlocks(tokens), what);
            assertEquals(after.homes() - slow.homes(), fast.newHomes(tokens), what);

            SlowLayerShape cut = new SlowLayerShape(slow);
            cut.truncate(slots);
            require(fast.truncated(slots), cut);
            require();
        }

        /** Rows of a prompt that is pruned whenever a chunk is complete. */
        void chunks(int tokens) {
            LayerShape before = new LayerShape(fast);
            SlowLayerShape slowBefore = new SlowLayerShape(slow);
            int peak = 0;
            for (int i = 0; i < tokens; i++) {
                slow.append();
                peak = Math.max(peak, 2 * (slow.blocks() - slowBefore.blocks()));
                if (slow.windowIsComplete()) {
                    slow.pruned();
                }
            }
            assertEquals(peak + slow.queryBlocks() - slowBefore.queryBlocks(), fast.extendInChunks(tokens), what);
            fast.settle();
            slow.settle();
            int held = slow.blocksWithAllValues() - slowBefore.blocksWithAllValues();
            assertEquals(held, fast.newBlocksSince(before), what);
            fast.drop();
            slow.drop();
            int left = Math.max(0, held - slow.newDropped(slowBefore));
            assertEquals(left, fast.newBlocksHeldSince(before), what);
            require();
        }
    }
}
