package io.kvmanager.kernels.cuda;

import static io.kvmanager.kernels.cuda.Kernel.COUNT;
import static io.kvmanager.kernels.cuda.Kernel.INT;
import static io.kvmanager.kernels.cuda.Kernel.POINTER;
import static io.kvmanager.kernels.cuda.Kernel.THREADS;
import static io.kvmanager.kernels.cuda.Kernel.TILES;
import static io.kvmanager.kernels.cuda.KernelLayout.CHOOSERS;
import static io.kvmanager.kernels.cuda.KernelLayout.MAX_HOMES;
import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Compensation;
import io.kvmanager.Tier;
import io.kvmanager.ValueSelection;
import io.kvmanager.spi.AttentionWorkspace;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.FetchTally;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.TileResidency;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Choice and residency of value tiles by the device itself: {@code selection.cu}, {@code residency.cu} and {@code
 * certificate.cu}. The host launches and learns nothing, so that {@code certified} always takes all its rounds; what
 * is settled costs little in them.
 *
 * <p>A home that was freed is noted, and its tiles are dropped ahead of the next choice. Nothing looks at the tables in
 * between.
 */
final class CudaTileResidency implements TileResidency {
    static final int RESIDENCY = 72;
    static final int CHOICE = 64;
    static final int NEED = 16;
    static final int MASSES = 24;
    static final int RULE = 16;
    static final int CERTIFIED = 24;
    static final int GOAL = 16;
    static final int HOMES = 4 + 4 * MAX_HOMES;
    private static final int GATHER_CTAS = 264;
    private static final long ENDLESS = -1;

    private final CudaDevice device;
    private final CacheGeometry geometry;
    private final int tiles;
    private final int slots;
    private final MemorySegment tables;
    private final MemorySegment cache;
    private final MemorySegment choiceStructure;
    private final MemorySegment masses;
    private final int gatherCtas;
    private final Kernel choose;
    private final Kernel assign;
    private final Kernel gather;
    private final Kernel invalidate;
    private final Kernel refine;
    private final Kernel account;
    private final double epsilon;
    private final boolean certified;
    private final boolean renormalises;
    private final MemorySegment freedHomes;
    private final BitSet freed;
    private int freedCount;
    private @Nullable AttentionWorkspace filledFor;

    CudaTileResidency(CudaKernels kernels, Request request) {
        device = kernels.device();
        geometry = request.geometry();
        int cachedBlocks = request.tileCacheBlocks().size();
        slots = Math.multiplyExact(cachedBlocks, geometry.kvHeads());
        tiles = Math.multiplyExact(request.homes(), geometry.kvHeads());
        tables = device.allocate(Tier.DEVICE, TileResidency.tableBytes(geometry, cachedBlocks, request.homes()));
        writeTables(request.tileCacheBlocks());
        cache = cache(request.store());
        choiceStructure = device.arena().allocate(CHOICE, 8);
        masses = device.arena().allocate(MASSES, 8);
        freed = new BitSet(request.homes());
        certified = request.selection() instanceof ValueSelection.Certified;
        epsilon = request.selection() instanceof ValueSelection.Certified selection ? selection.epsilon() : 0;
        renormalises = request.compensation() == Compensation.RENORMALISE;
        gatherCtas = (int) Math.max(
                geometry.kvHeads(),
                Math.min(
                        GATHER_CTAS,
                        (long) geometry.kvHeads() * request.selection().maxTiles()));
        choose = kernels.kernel("selection", "choose", MASSES, COUNT, POINTER, POINTER, RULE, RESIDENCY, CHOICE);
        assign = kernels.kernel("residency", "assign", COUNT, INT, RESIDENCY, CHOICE, POINTER, INT);
        gather = kernels.kernel("residency", "gather", COUNT, INT, POINTER, POINTER, RESIDENCY, CHOICE, TILES, TILES);
        invalidate = kernels.kernel("residency", "invalidate", RESIDENCY, HOMES);
        refine = kernels.kernel(
                "certificate", "refine", MASSES, COUNT, POINTER, POINTER, CERTIFIED, GOAL, RESIDENCY, CHOICE);
        account = kernels.kernel("certificate", "account", MASSES, COUNT, POINTER, CERTIFIED, CHOICE, POINTER);
        choose.setStructure(5, rule(request.selection())).setStructure(6, cache);
        assign.setStructure(3, cache);
        gather.setStructure(5, cache);
        refine.setStructure(7, cache);
        invalidate.setStructure(1, cache);
        freedHomes = invalidate.cell(2, HOMES);
    }

    /** All slots free, slot 0 on top. */
    private void writeTables(List<Integer> blocks) {
        int[] entries = new int[(int) (tables.byteSize() / 4)];
        Arrays.fill(entries, 0, tiles + slots, ABSENT);
        int freeSlots = tiles + 3 * slots;
        for (int slot = 0; slot < slots; slot++) {
            entries[freeSlots + slot] = slots - 1 - slot;
        }
        for (int i = 0; i < blocks.size(); i++) {
            entries[freeSlots + slots + i] = blocks.get(i);
        }
        entries[control() + 2] = slots;
        device.write(MemorySegment.ofArray(entries), tables, 0, tables.byteSize());
    }

    private int control() {
        return tiles + 4 * slots + slots / geometry.kvHeads();
    }

    private MemorySegment cache(MemorySegment store) {
        long slotBytes = 4L * slots;
        long tileOfSlot = tables.address() + 4L * tiles;
        long[] addresses = {
            store.address(),
            tables.address(),
            tileOfSlot,
            tileOfSlot + slotBytes,
            tileOfSlot + 2 * slotBytes,
            tileOfSlot + 3 * slotBytes,
            tileOfSlot + 4 * slotBytes,
            tables.address() + 4L * control()
        };
        MemorySegment structure = device.arena().allocate(RESIDENCY, 8);
        MemorySegment.copy(addresses, 0, structure, ValueLayout.JAVA_LONG, 0, addresses.length);
        structure.set(ValueLayout.JAVA_INT, 8L * addresses.length, slots);
        return structure;
    }

    private MemorySegment rule(ValueSelection selection) {
        MemorySegment rule = device.arena().allocate(RULE, 8);
        rule.set(
                ValueLayout.JAVA_LONG,
                0,
                switch (selection) {
                    case ValueSelection.TopN ignored -> ENDLESS;
                    case ValueSelection.Nucleus nucleus ->
                        (long) Math.ceil(
                                Math.scalb(nucleus.mass() * geometry.groupSize(), KernelLayout.MASS_UNIT_BITS));
                    case ValueSelection.Certified ignored -> ENDLESS;
                });
        rule.set(ValueLayout.JAVA_INT, 8, certified ? 0 : selection.maxTiles());
        return rule;
    }

    @Override
    public void select(
            AttentionWorkspace workspace,
            DeviceCount blocks,
            IntTable valueTable,
            IntTable homeTable,
            FetchTally tally) {
        device.beforeLaunchBehindStores();
        flush();
        fillStructures(workspace);
        choose.set(2, blocks)
                .set(3, valueTable.memory())
                .set(4, homeTable.memory())
                .launch(geometry.kvHeads(), 1, 1, CHOOSERS);
        assign.set(1, blocks).set(2, workspace.maxBlocks()).set(5, tally.counters());
        gather.set(1, blocks)
                .set(2, workspace.maxBlocks())
                .set(3, valueTable.memory())
                .set(4, homeTable.memory())
                .set(7, workspace.tiles())
                .set(8, workspace.inPlaceTiles());
        bring(!certified);
        refine.set(2, blocks).set(3, valueTable.memory()).set(4, homeTable.memory());
        account.set(2, blocks).set(3, homeTable.memory());
    }

    /** Fetches what was chosen, and lists what is read. */
    private void bring(boolean ends) {
        assign.set(6, ends ? 1 : 0).launch(1, 1, 1, CHOOSERS);
        gather.launch(gatherCtas, 1, 1, THREADS);
    }

    /** Of the attention whose tiles were selected last; whether its bound is met is not known here. */
    @Override
    public boolean refine(
            AttentionWorkspace workspace, MemorySegment reaches, MemorySegment out, int round, FetchTally tally) {
        device.beforeLaunch();
        certify(refine.cell(5, CERTIFIED), reaches, out);
        MemorySegment goal = refine.cell(6, GOAL);
        goal.set(ValueLayout.JAVA_DOUBLE, 0, TileResidency.goal(epsilon, 0));
        goal.set(ValueLayout.JAVA_DOUBLE, 8, TileResidency.goal(epsilon, round));
        refine.launch(geometry.kvHeads(), 1, 1, CHOOSERS);
        bring(round == TileResidency.ROUNDS - 1);
        return true;
    }

    /** Of the attention whose tiles were selected last. */
    @Override
    public void account(AttentionWorkspace workspace, MemorySegment reaches, MemorySegment out, FetchTally tally) {
        device.beforeLaunch();
        certify(account.cell(4, CERTIFIED), reaches, out);
        account.set(6, tally.counters()).launch(geometry.queryHeads(), 1, 1, CHOOSERS);
    }

    /** Fills a {@code Certified}. */
    private void certify(MemorySegment structure, MemorySegment reaches, MemorySegment out) {
        structure.set(ValueLayout.JAVA_LONG, 0, reaches.address());
        structure.set(ValueLayout.JAVA_LONG, 8, out.address());
        structure.set(ValueLayout.JAVA_INT, 16, renormalises ? 1 : 0);
    }

    /** Points at the workspace's masses and scratch, which are nearly always those of the step before. */
    private void fillStructures(AttentionWorkspace workspace) {
        if (workspace == filledFor) {
            return;
        }
        int stride = workspace.maxBlocks();
        long[] offsets = KernelLayout.choiceOffsets(geometry, stride);
        if (offsets[offsets.length - 1] > workspace.scratch().byteSize()) {
            throw new IllegalArgumentException("the workspace has not the scratch of this device");
        }
        for (int i = 0; i < offsets.length - 1; i++) {
            long address = workspace.scratch().address() + offsets[i];
            choiceStructure.setAtIndex(ValueLayout.JAVA_LONG, i, address);
        }
        masses.set(ValueLayout.JAVA_LONG, 0, workspace.mass().address());
        masses.set(ValueLayout.JAVA_LONG, 8, workspace.rest().address());
        masses.set(ValueLayout.JAVA_INT, 16, stride);
        choose.setStructure(1, masses).setStructure(7, choiceStructure);
        refine.setStructure(1, masses).setStructure(8, choiceStructure);
        account.setStructure(1, masses).setStructure(5, choiceStructure);
        assign.setStructure(4, choiceStructure);
        gather.setStructure(6, choiceStructure);
        filledFor = workspace;
    }

    @Override
    public void invalidate(int home) {
        if (freed.get(home)) {
            return; // no choice since: nothing of it came back
        }
        if (freedCount == MAX_HOMES) {
            device.context().enterOutsideOfCapture("so many freed homes");
            flush();
        }
        freed.set(home);
        freedHomes.set(ValueLayout.JAVA_INT, 4 + 4L * freedCount, home);
        freedCount++;
    }

    /** Drops the tiles of the homes that were freed; not inside of a capture, where it would be repeated. */
    void flush() {
        if (freedCount > 0 && !device.context().capturing()) {
            freedHomes.set(ValueLayout.JAVA_INT, 0, freedCount);
            freedCount = 0;
            freed.clear();
            invalidate.launch(1, 1, 1, CHOOSERS);
        }
    }

    @Override
    public List<String> audit(int[] references) {
        device.context().enterOutsideOfCapture("an audit");
        flush();
        int[] entries = new int[(int) (tables.byteSize() / 4)];
        device.read(tables, 0, MemorySegment.ofArray(entries), tables.byteSize());
        return new ResidencyAudit(entries, tiles, slots, geometry.kvHeads(), entries[control() + 2])
                .findings(references);
    }
}
