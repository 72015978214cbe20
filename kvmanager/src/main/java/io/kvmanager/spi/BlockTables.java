package io.kvmanager.spi;

/** The one constant that block tables need: what an entry without a block holds. */
public final class BlockTables {
    /** No block: never a block id, a home or a tile index. */
    public static final int ABSENT = -1;

    private BlockTables() {}
}
