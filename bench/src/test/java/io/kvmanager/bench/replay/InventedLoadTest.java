package io.kvmanager.bench.replay;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The policy that learns, on loads quite unlike conversations: never more than half a point below LRU. */
class InventedLoadTest {
    private static final int REQUESTS = 6000;
    private static final double HALF_A_POINT = .005;

    /** Kinds of load; every request is a document's or a session's blocks and a few new ones. */
    enum Load {
        /** Documents of fixed popularity, by Zipf's law. */
        DOCUMENTS,
        /** Documents of which ever other ones are popular. */
        DRIFT,
        /** The same documents in turn. */
        LOOP,
        /** Sessions of many steps with short pauses, on one of thirty long instructions. */
        AGENTS;

        Trace trace(SplittableRandom random) {
            return this == AGENTS ? agents(random) : documents(this, random);
        }
    }

    private static final class Ids {
        private long next;

        long[] take(int count) {
            next += count;
            return LongStream.range(next - count, next).toArray();
        }
    }

    private static long[] joined(long[] first, long[] then) {
        long[] all = Arrays.copyOf(first, first.length + then.length);
        System.arraycopy(then, 0, all, first.length, then.length);
        return all;
    }

    private static Trace documents(Load load, SplittableRandom random) {
        Ids ids = new Ids();
        List<long[]> documents = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            documents.add(ids.take(2 + random.nextInt(19)));
        }
        Trace.Builder trace = new Trace.Builder(1);
        for (int r = 0; r < REQUESTS; r++) {
            int which = switch (load) {
                case DOCUMENTS -> (int) Math.pow(2000, random.nextDouble()) - 1;
                case DRIFT -> r / 4 + (int) Math.min(400, -60 * Math.log(1 - random.nextDouble()));
                default -> r % 300;
            };
            long[] question = load == Load.LOOP ? new long[0] : ids.take(1 + random.nextInt(4));
            long[] blocks = joined(documents.get(which), question);
            trace.add(r * 300L, blocks.length, blocks);
        }
        return trace.build(load.name());
    }

    private record Step(long millis, List<Long> blocks) {}

    private static Trace agents(SplittableRandom random) {
        Ids ids = new Ids();
        List<long[]> instructions = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            instructions.add(ids.take(1 + random.nextInt(10)));
        }
        List<Step> steps = new ArrayList<>();
        for (long start = 0; steps.size() < REQUESTS; start += (long) (-2650 * Math.log(1 - random.nextDouble()))) {
            long[] chain = instructions.get((int) Math.pow(30, random.nextDouble()) - 1);
            long millis = start;
            for (int i = (int) (-8 * Math.log(1 - random.nextDouble())); i >= 0; i--) {
                chain = joined(chain, ids.take(1 + (int) (-3 * Math.log(1 - random.nextDouble()))));
                steps.add(new Step(millis, Arrays.stream(chain).boxed().toList()));
                millis += 2000 + random.nextInt(20_000);
            }
        }
        steps.sort((one, other) -> Long.compare(one.millis(), other.millis()));
        Trace.Builder trace = new Trace.Builder(1);
        for (Step step : steps) {
            trace.add(
                    step.millis(),
                    step.blocks().size(),
                    step.blocks().stream().mapToLong(id -> id).toArray());
        }
        return trace.build("AGENTS");
    }

    @ParameterizedTest
    @EnumSource(Load.class)
    void hitDensityIsNowhereFarBelowLru(Load load) {
        for (long seed = 1; seed <= 2; seed++) {
            Trace trace = load.trace(new SplittableRandom(seed));
            for (int capacity : new int[] {200, 500, 1000, 2000, 5000, 10_000}) {
                double lru = TraceReplay.run(trace, "lru", capacity).hitRatioBlocks();
                double learned = TraceReplay.run(trace, "hit-density", capacity).hitRatioBlocks();
                assertTrue(
                        learned > lru - HALF_A_POINT,
                        load + ", seed " + seed + ", " + capacity + " blocks: " + learned + ", lru " + lru);
                if (load == Load.LOOP && capacity == 1000) {
                    assertTrue(learned > .1, "a loop is learned: " + learned);
                }
            }
        }
    }
}
