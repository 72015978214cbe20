package io.kvmanager.spi;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.kvmanager.CacheGeometry;
import java.lang.foreign.MemorySegment;

/**
 * What a device computes over one slab. Tables are int32 block ids, in logical order, in device memory; all other
 * buffers are F32, dense and row-major, in device memory. Scores are scaled by {@code 1/sqrt(headSize)}.
 *
 * <p>Slots are logical: slot {@code s} of a table is slot {@code s % blockTokens} of block {@code table[s /
 * blockTokens]}.
 */
public interface AttentionKernels {

    /** Which implementation this is: {@code plain}, {@code vector}. */
    String name();

    /** Zeroes a block, so that unwritten slots read as zero. */
    void zero(int blockId);

    /** Copies a block, for copy-on-write. */
    void copyBlock(int fromBlockId, int toBlockId);

    /**
     * Stores rows.
     *
     * @param role what they are; a block holds rows of one role
     * @param table block table
     * @param firstSlot logical slot of the first row
     * @param rows {@code [count][kvHeads][headSize]}
     */
    void append(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count);

    /** Reads {@code count} rows of a table back to F32: the inverse of {@link #append}, up to rounding. */
    void read(Role role, MemorySegment table, int firstSlot, MemorySegment rows, int count);

    /**
     * Causal attention of a prompt's rows over a layer's slots: row i sees slots 0..firstSlot+i.
     *
     * @param q {@code [rows][queryHeads][headSize]}
     * @param keyTable K blocks
     * @param valueTable V blocks, none absent
     * @param out {@code [rows][queryHeads][headSize]}, written
     * @param logSumExp {@code [rows][queryHeads]}, written
     */
    void attendPrompt(
            MemorySegment q,
            int rows,
            int firstSlot,
            MemorySegment keyTable,
            MemorySegment valueTable,
            MemorySegment out,
            MemorySegment logSumExp);

    /**
     * Exact softmax weights of one query over slots 0..tokens-1, and each block's mass. Fills the workspace's weights
     * (zero from {@code tokens} to the end of the last block), mass (blocks up to the last) and logSumExp.
     *
     * @param q {@code [queryHeads][headSize]}
     * @param tokens slots, 1 or more
     */
    void scores(MemorySegment q, MemorySegment keyTable, int tokens, AttentionWorkspace workspace);

    /**
     * Weighted sum of the listed tiles' values: {@code out[h] (+)= sum over entries, slots of
     * weights[h][block * blockTokens + slot] * value}.
     *
     * @param weights {@code [queryHeads][stride]}
     * @param stride row length of {@code weights}, elements
     * @param tiles what to read
     * @param out {@code [queryHeads][headSize]}
     * @param accumulate add to {@code out} rather than overwrite it
     */
    void values(MemorySegment weights, int stride, TileList tiles, MemorySegment out, boolean accumulate);

    // ---- the same with counts that are read when a kernel runs; these versions need memory the host can address ----

    /** {@link #append} of the {@code count} rows that end at slot {@code end}. */
    default void append(Role role, MemorySegment table, DeviceCount end, MemorySegment rows, int count) {
        append(role, table, end.value() - count, rows, count);
    }

    /** {@link #scores} over a count of slots. */
    default void scores(MemorySegment q, MemorySegment keyTable, DeviceCount tokens, AttentionWorkspace workspace) {
        scores(q, keyTable, tokens.value(), workspace);
    }

    /** Lists every KV head's tile of a table's first {@code blocks} entries, absent ones left out. */
    default void list(CacheGeometry geometry, MemorySegment table, DeviceCount blocks, TileList tiles) {
        tiles.clear();
        tiles.addBlocks(geometry, table, blocks.value());
    }

    /**
     * Divides each query head's output by the mass that was read, {@code 1 - sum of its rest}.
     *
     * @param blocks logical blocks whose rest is filled
     * @param out {@code [queryHeads][headSize]}, changed
     */
    default void renormalise(
            CacheGeometry geometry, AttentionWorkspace workspace, DeviceCount blocks, MemorySegment out) {
        long headSize = geometry.headSize();
        for (int head = 0; head < geometry.queryHeads(); head++) {
            double missed = 0;
            for (int block = 0; block < blocks.value(); block++) {
                missed += workspace.rest().getAtIndex(JAVA_FLOAT, (long) head * workspace.maxBlocks() + block);
            }
            float scale = (float) (1 / Math.max(1e-6, 1 - missed));
            for (long i = head * headSize; i < (head + 1) * headSize; i++) {
                out.setAtIndex(JAVA_FLOAT, i, out.getAtIndex(JAVA_FLOAT, i) * scale);
            }
        }
    }

    /**
     * Stores a query and its log-sum-exp as the last of {@code end} entries.
     *
     * @param table blocks; a query is {@code groupSize} rows of {@code [kvHeads][headSize]}
     * @param logSumExp {@code [entries][queryHeads]}
     * @param end entry behind the one that is written
     * @param q {@code [queryHeads][headSize]}
     * @param statistics {@code [queryHeads]}
     */
    default void remember(
            CacheGeometry geometry,
            MemorySegment table,
            MemorySegment logSumExp,
            DeviceCount end,
            MemorySegment q,
            MemorySegment statistics) {
        int entry = end.value() - 1;
        long bytes = 4L * geometry.queryHeads();
        append(Role.QUERY, table, entry * geometry.groupSize(), q, geometry.groupSize());
        MemorySegment.copy(statistics, 0, logSumExp, bytes * entry, bytes);
    }

    /**
     * Scores slots by the attention that given queries pay them: {@code out[c] = sum over r of rowWeights[r] * mean
     * over query heads of exp(q[r] . k[firstSlot + c] - logSumExp[r])}.
     *
     * @param q {@code [rows][queryHeads][headSize]}
     * @param logSumExp {@code [rows][queryHeads]}
     * @param rowWeights {@code [rows]}
     * @param out {@code [count]}, written
     */
    void columnScores(
            MemorySegment q,
            MemorySegment logSumExp,
            MemorySegment rowWeights,
            int rows,
            MemorySegment keyTable,
            int firstSlot,
            int count,
            MemorySegment out);

    /**
     * Moves rows together: slot {@code kept[i]} of {@code fromTable} becomes slot {@code firstSlot + i} of
     * {@code toTable}. The tables may be the same; {@code kept} is ascending and {@code kept[i] >= firstSlot + i}.
     *
     * @param kept {@code [count]} int32 logical slots
     */
    void compact(
            Role role, MemorySegment fromTable, MemorySegment toTable, MemorySegment kept, int firstSlot, int count);

    /** Copies one KV head's row from a slot of a block to a slot of a block. */
    void copyRow(Role role, int kvHead, int fromBlockId, int fromSlot, int toBlockId, int toSlot);

    /**
     * Writes the mean of a full block's rows as one row of a summary block.
     *
     * @param blockId full block of V
     * @param summaryBlockId block that receives the mean
     * @param summarySlot its slot
     */
    void summarise(int blockId, int summaryBlockId, int summarySlot);

    // ---- shadows and what the error bound is made of; on a device that has them ----

    /**
     * Whether this has the four methods below, and so everything that {@code int4}, {@code int8} and {@code certified}
     * need.
     */
    default boolean certifies() {
        return false;
    }

    /**
     * Measures how far the rows of a full block of V are from zero: {@code reaches[index * kvHeads + kvHead]} is the
     * largest norm of a row, never rounded down.
     *
     * @param blockId full block of V
     * @param reaches {@code [homes][kvHeads]} F32 in device memory
     * @param index which home's row to write
     */
    default void reach(int blockId, MemorySegment reaches, int index) {
        throw doesNotCertify();
    }

    /** The same from the mean that {@link #summarise} stored. */
    default void reachFromMean(int blockId, int summaryBlockId, int summarySlot, MemorySegment reaches, int index) {
        throw doesNotCertify();
    }

    /**
     * Makes the shadow of a full block of V, and measures how far the rows are from it, as {@link #reach} does: the
     * largest norm of {@code value - shadow}, both as stored.
     *
     * @param blockId full block of V
     * @param codeBlockId block that receives the codes
     * @param place which of its shadows
     * @param rangeBlockId block that receives lows and scales
     * @param range which of its shadows
     */
    default void quantise(
            ShadowLayout layout,
            int blockId,
            int codeBlockId,
            int place,
            int rangeBlockId,
            int range,
            MemorySegment reaches,
            int index) {
        throw doesNotCertify();
    }

    /**
     * Adds what the shadows of unread tiles give: {@code out[h] += sum over blocks with rest above 0, slots of
     * weights[h][slot] * shadow}. Logical block b has its codes at place {@code b % codesPerBlock} of entry
     * {@code b / codesPerBlock}, its range likewise. Weights of a block whose rest is 0 for a query head are ignored
     * or, where no query head of its KV head reads the block, 0.
     *
     * @param workspace weights and rest are filled
     * @param blocks logical blocks
     * @param codes table of code blocks
     * @param ranges table of range blocks
     * @param out {@code [queryHeads][headSize]}, changed
     */
    default void shadowValues(
            ShadowLayout layout,
            AttentionWorkspace workspace,
            DeviceCount blocks,
            MemorySegment codes,
            MemorySegment ranges,
            MemorySegment out) {
        throw doesNotCertify();
    }

    private UnsupportedOperationException doesNotCertify() {
        return new UnsupportedOperationException("kernels '" + name() + "' have neither shadows nor bounds");
    }

    /** Copies a block to {@code host} at byte {@code hostOffset}. */
    void store(int blockId, MemorySegment host, long hostOffset);

    /** Copies a block back from {@code host}. */
    void load(MemorySegment host, long hostOffset, int blockId);

    /** Copies one tile from {@code host} at byte {@code hostOffset} into the slab. */
    void loadTile(MemorySegment host, long hostOffset, int tileIndex);
}
