package io.kvmanager.paging;

import io.kvmanager.CacheGeometry;
import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.DeviceCount;
import io.kvmanager.spi.IntTable;
import io.kvmanager.spi.Role;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * One layer of one sequence whose KV heads keep tokens of their own. K is stored after RoPE, so the order of slots
 * means nothing to attention, and a slot may hold another token in every KV head: a row is evicted by writing another
 * over it.
 *
 * <pre>
 * K block j, V block j                              slots j * blockTokens ...
 * positions[kvHead][slot]                           token of a slot; on the host alone
 * memory blocks                                     what the policy remembers, bytes in order
 * </pre>
 */
final class BudgetLayer {
    final IntTable keys;
    final IntTable values;
    /** Slots held, that of the present token included. */
    final DeviceCount slots;
    /** K blocks with such slots. */
    final DeviceCount blocks;

    private final CacheGeometry geometry;
    private final Device device;
    private final AttentionKernels kernels;
    private final MemorySegment slab;
    private final SlotBudget budget;
    private final Reservation reservation;
    private final int[][] positions;
    private int[] memory = new int[0];
    private int memoryCount;
    private int blockCount;
    private int kept;

    BudgetLayer(BudgetBackend backend, MemorySegment tables, Reservation reservation) {
        this.geometry = backend.geometry();
        this.device = backend.device();
        this.kernels = backend.kernels();
        this.slab = backend.slab();
        this.budget = backend.budget();
        this.reservation = reservation;
        int maxBlocks = (int) (tables.byteSize() / 4 - BudgetPlan.COUNTS) / 2;
        IntTable counts = device.table(tables.asSlice(0, 4L * BudgetPlan.COUNTS));
        slots = new DeviceCount(counts, 0, maxBlocks * geometry.blockTokens());
        blocks = new DeviceCount(counts, 1, maxBlocks);
        keys = device.table(tables.asSlice(4L * BudgetPlan.COUNTS, 4L * maxBlocks));
        values = device.table(tables.asSlice(4L * (BudgetPlan.COUNTS + maxBlocks), 4L * maxBlocks));
        positions = new int[geometry.kvHeads()][0];
    }

    /** Slots held. */
    int kept() {
        return kept;
    }

    /** Blocks held. */
    int heldBlocks() {
        return 2 * blockCount + memoryCount;
    }

    /** Blocks that room for {@code count} slots takes beside those held. */
    int blocksToHold(int count) {
        return 2 * Math.max(0, geometry.blocksFor(count) - blockCount)
                + Math.max(0, budget.memoryBlocks(count) - memoryCount);
    }

    /** Adds a slot for each of {@code count} tokens from {@code position} on. */
    void extend(int position, int count) {
        int end = kept + count;
        for (; blockCount < geometry.blocksFor(end); blockCount++) {
            keys.set(blockCount, allocate(Account.OPEN));
            values.set(blockCount, allocate(Account.OPEN));
        }
        memory = Arrays.copyOf(memory, Math.max(memory.length, budget.memoryBlocks(end)));
        for (; memoryCount < budget.memoryBlocks(end); memoryCount++) {
            memory[memoryCount] = allocate(Account.SUMMARY);
        }
        for (int kvHead = 0; kvHead < positions.length; kvHead++) {
            if (positions[kvHead].length < end) {
                positions[kvHead] = Arrays.copyOf(positions[kvHead], Math.max(end, 2 * positions[kvHead].length));
            }
            for (int i = 0; i < count; i++) {
                positions[kvHead][kept + i] = position + i;
            }
        }
        setKept(end);
    }

    private int allocate(Account account) {
        return reservation.zeroed(account);
    }

    private void setKept(int count) {
        kept = count;
        slots.set(count);
        blocks.set(geometry.blocksFor(count));
    }

    /** Stores K and V of the newest {@code count} slots. */
    void append(MemorySegment k, MemorySegment v, int count) {
        kernels.append(Role.KEY, keys.memory(), slots, k, count);
        kernels.append(Role.VALUE, values.memory(), slots, v, count);
    }

    /** Keeps {@code count} slots of each KV head, {@code chosen[kvHead]} ascending, and frees what is empty then. */
    void keep(int[][] chosen, int count) {
        for (int kvHead = 0; kvHead < positions.length; kvHead++) {
            for (int i = 0; i < count; i++) {
                move(kvHead, chosen[kvHead][i], i);
            }
        }
        shrink(count);
    }

    /** Writes one slot of a KV head over another. */
    void move(int kvHead, int from, int to) {
        if (from != to) {
            copyRow(Role.KEY, keys, kvHead, from, to);
            copyRow(Role.VALUE, values, kvHead, from, to);
            positions[kvHead][to] = positions[kvHead][from];
        }
    }

    private void copyRow(Role role, IntTable table, int kvHead, int from, int to) {
        int slots = geometry.blockTokens();
        kernels.copyRow(role, kvHead, table.get(from / slots), from % slots, table.get(to / slots), to % slots);
    }

    /** Forgets the last slot of every KV head; its room stays. */
    void forgetLast() {
        setKept(kept - 1);
    }

    /** Forgets slots from {@code count} on, and frees what is empty then. */
    void shrink(int count) {
        setKept(count);
        while (blockCount > geometry.blocksFor(count)) {
            blockCount--;
            reservation.release(keys.get(blockCount));
            reservation.release(values.get(blockCount));
        }
        while (memoryCount > budget.memoryBlocks(count)) {
            reservation.release(memory[--memoryCount]);
        }
    }

    /** First slot behind those that hold positions below {@code length}, where the newest slots are in order. */
    int slotsBelow(int length) {
        int count = kept;
        while (count > 0 && positions[0][count - 1] >= length) {
            count--;
        }
        return count;
    }

    /** Token of a slot. */
    int position(int kvHead, int slot) {
        return positions[kvHead][slot];
    }

    /** Tokens that a KV head holds, ascending; a copy. */
    int[] positions(int kvHead) {
        int[] held = Arrays.copyOf(positions[kvHead], kept);
        Arrays.sort(held);
        return held;
    }

    /** Tokens that any KV head holds, ascending; a copy. */
    int[] positions() {
        return Arrays.stream(positions)
                .flatMapToInt(held -> Arrays.stream(held, 0, kept))
                .sorted()
                .distinct()
                .toArray();
    }

    /** Copies {@code bytes} of what the policy remembers, from byte {@code offset} on, to the start of {@code to}. */
    void remembered(long offset, MemorySegment to, long bytes) {
        long blockBytes = geometry.blockBytes();
        for (long done = 0; done < bytes; ) {
            long at = offset + done;
            long part = Math.min(bytes - done, blockBytes - at % blockBytes);
            device.read(slab, memoryOffset(at), to.asSlice(done, part), part);
            done += part;
        }
    }

    /** The inverse of {@link #remembered}. */
    void remember(long offset, MemorySegment from, long bytes) {
        long blockBytes = geometry.blockBytes();
        for (long done = 0; done < bytes; ) {
            long at = offset + done;
            long part = Math.min(bytes - done, blockBytes - at % blockBytes);
            device.write(from.asSlice(done, part), slab, memoryOffset(at), part);
            done += part;
        }
    }

    private long memoryOffset(long at) {
        return geometry.blockOffset(memory[(int) (at / geometry.blockBytes())]) + at % geometry.blockBytes();
    }

    /** Becomes a copy of another sequence's layer; this one is empty. */
    void copyFrom(BudgetLayer other) {
        if (other.kept > 0) {
            extend(0, other.kept);
        }
        for (int block = 0; block < blockCount; block++) {
            kernels.copyBlock(other.keys.get(block), keys.get(block));
            kernels.copyBlock(other.values.get(block), values.get(block));
        }
        for (int i = 0; i < memoryCount; i++) {
            kernels.copyBlock(other.memory[i], memory[i]);
        }
        for (int kvHead = 0; kvHead < positions.length; kvHead++) {
            System.arraycopy(other.positions[kvHead], 0, positions[kvHead], 0, kept);
        }
    }

    /** Adds this layer's references to the recount. */
    void count(int[] references) {
        for (int block = 0; block < blockCount; block++) {
            references[keys.get(block)]++;
            references[values.get(block)]++;
        }
        for (int i = 0; i < memoryCount; i++) {
            references[memory[i]]++;
        }
    }
}
