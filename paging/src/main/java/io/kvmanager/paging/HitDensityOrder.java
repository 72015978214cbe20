package io.kvmanager.paging;

import java.util.Arrays;

/**
 * What is least likely to be used again for the room and time it takes goes first: {@code hit-density}.
 *
 * <p>Learns from this cache's own requests ({@link ReturnTimes}) and needs no setting. The class of a block that a
 * request used is made of:
 * <ul>
 *   <li>the request's turn: one more than the turn of the request that last used the deepest block known, provided that
 *       this is not the first block, which strangers share;
 *   <li>whether the request brings few new blocks, as a short question does;
 *   <li>the block's part in it: known before, new, or the last one, which need not return when a prompt is cut
 *       elsewhere.
 * </ul>
 * Known are cached blocks and, through {@link GhostTable}, evicted ones.
 *
 * <p>The victim is found at the ends of the classes' lists of runs: within a class the worth of a run rises with its
 * age and then falls, so the smallest worth stands at the young end or at the old one. That is two comparisons per
 * class, whatever the size of the cache. Before anything is learned all worths are equal, and the oldest goes first.
 */
final class HitDensityOrder implements EvictionOrder {
    private static final int TURN_CLASSES = 6;
    private static final int REUSED = 0;
    private static final int NEW = 1;
    private static final int END = 2;
    private static final int PARTS = 3;
    private static final int CLASSES = TURN_CLASSES * 2 * PARTS;
    private static final int FEW_BLOCKS = 2;
    private static final int LEAST_GHOSTS = 1 << 18;
    private static final int GHOSTS_PER_BLOCK = 8;
    private static final int MOST_TURNS = 100;

    private final ReturnTimes times = new ReturnTimes(CLASSES);
    private final GhostTable ghosts;
    private final RunLists runs;
    private final int[] recordOf;
    private final byte[] partOf;
    private final int[] openRuns = new int[PARTS];
    private int requestClass;
    private long closedMillis;
    private int chosenRun = NONE;
    private long chosenMillis;

    /**
     * @param entries entries of the index
     * @param cachedBlocks entries that stay cached
     */
    HitDensityOrder(int entries, int cachedBlocks) {
        ghosts = new GhostTable(Math.max(LEAST_GHOSTS, GHOSTS_PER_BLOCK * cachedBlocks));
        runs = new RunLists(entries, CLASSES);
        recordOf = new int[entries];
        partOf = new byte[entries];
    }

    @Override
    public void used(UsedPrefix prefix) {
        forgetChoice();
        Arrays.fill(openRuns, NONE);
        closedMillis = prefix.closedMillis();
        if (prefix.blocks() > 0) {
            record(prefix);
            times.learnIfDue(closedMillis);
        }
    }

    /** Tells the records of earlier requests what came back, and opens those of this one. */
    private void record(UsedPrefix prefix) {
        int known = 0;
        int deepest = ReturnTimes.NO_RECORD;
        int together = 0;
        while (known < prefix.blocks()) {
            int number = recordOfBlock(prefix, known);
            if (!times.keeps(number)) {
                break;
            }
            together = number == deepest ? together + 1 : 1;
            deepest = number;
            times.returned(number, together, prefix.arrivedMillis());
            known++;
        }
        int turn = known > 1 ? Math.min(MOST_TURNS, times.turn(deepest) + 1) : 0;
        boolean few = prefix.blocks() - known <= FEW_BLOCKS;
        requestClass = (turnClass(turn) * 2 + (few ? 1 : 0)) * PARTS;
        int end = prefix.blocks() - 1;
        int reused = Math.min(known, end);
        int reusedRecord = times.add(requestClass + REUSED, turn, reused, closedMillis);
        int newRecord = times.add(requestClass + NEW, turn, end - reused, closedMillis);
        int endRecord = times.add(requestClass + END, turn, 1, closedMillis);
        for (int i = 0; i <= end; i++) {
            int entry = prefix.entry(i);
            partOf[entry] = (byte) (i == end ? END : i < reused ? REUSED : NEW);
            recordOf[entry] = i == end ? endRecord : i < reused ? reusedRecord : newRecord;
        }
    }

    private int recordOfBlock(UsedPrefix prefix, int block) {
        return block < prefix.hits() ? recordOf[prefix.entry(block)] : ghosts.find(prefix.fingerprint(block));
    }

    private static int turnClass(int turn) {
        return turn <= 2 ? turn : turn <= 4 ? 3 : turn <= 7 ? 4 : 5;
    }

    @Override
    public void enter(int entry) {
        forgetChoice();
        int part = partOf[entry];
        if (openRuns[part] == NONE) {
            openRuns[part] = runs.open(requestClass + part, closedMillis);
        }
        runs.add(openRuns[part], entry);
    }

    @Override
    public void pinned(int entry) {
        forgetChoice();
        runs.remove(entry);
    }

    @Override
    public void evicted(int entry, long fingerprint) {
        ghosts.put(fingerprint, recordOf[entry]);
        runs.remove(entry);
    }

    private void forgetChoice() {
        chosenRun = NONE;
    }

    /** The end of the run that is worth least; the same run again until it is empty or something else happens. */
    @Override
    public int victim(long nowMillis) {
        if (chosenRun != NONE && nowMillis == chosenMillis && runs.last(chosenRun) != NONE) {
            return runs.last(chosenRun);
        }
        chosenRun = NONE;
        chosenMillis = nowMillis;
        double least = Double.POSITIVE_INFINITY;
        for (int c = 0; c < CLASSES; c++) {
            least = chooseIfLess(c, runs.oldest(c), least, nowMillis);
            least = chooseIfLess(c, runs.youngest(c), least, nowMillis);
        }
        return chosenRun == NONE ? NONE : runs.last(chosenRun);
    }

    private double chooseIfLess(int kind, int run, double least, long nowMillis) {
        if (run == NONE) {
            return least;
        }
        double worth = times.worth(kind, nowMillis - runs.usedMillis(run));
        boolean older = worth == least && runs.usedMillis(run) < runs.usedMillis(chosenRun);
        if (worth < least || older) {
            chosenRun = run;
            return worth;
        }
        return least;
    }

    @Override
    public boolean holds(int entry) {
        return runs.holds(entry);
    }
}
