package io.kvmanager.paging;

import static io.kvmanager.spi.BlockTables.ABSENT;

import io.kvmanager.Ledger.Account;
import io.kvmanager.spi.IntTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where the blocks of a suspended sequence are. Its tables are empty meanwhile, but for the homes of its settled V,
 * which it keeps; its shapes, positions and the statistics of its query windows stay as they are.
 *
 * <pre>
 * suspend   take the homes that have the bytes already, reserve the others, then store and drop the device blocks
 * resume    take the blocks that have the bytes already, reserve the others, then load and drop the homes
 * </pre>
 *
 * To reserve may make cached prefixes let go of blocks and homes, so what is counted on is taken first.
 */
final class SuspendedSequence {
    private final HostCopies copies;
    private final List<Part> parts = new ArrayList<>();

    /** Lists what {@code layers} hold; nothing is moved yet. */
    SuspendedSequence(LayerBlocks[] layers, HostCopies copies) {
        this.copies = copies;
        for (LayerBlocks layer : layers) {
            LayerShape shape = layer.shape;
            int settled = shape.settledBlocks();
            parts.add(new Part(layer.keys, shape.blocks(), settled, Account.OPEN, null));
            parts.add(new Part(layer.values, shape.blocks(), settled, Account.OPEN, layer.homes));
            StandIns standIns = layer.standIns;
            parts.add(new Part(standIns.summaries, standIns.summaryEnd(settled), 0, standIns.account(), null));
            parts.add(new Part(standIns.codes, standIns.codeEnd(settled), 0, standIns.account(), null));
            if (layer.queries != null && shape.kept() > 0) {
                parts.add(new Part(layer.queries.table(), layer.queries.blocks(), 0, Account.QUERY_WINDOW, null));
            }
        }
    }

    /** One block table, and the home of each of its blocks. */
    private static final class Part {
        private final IntTable table;
        private final int settled;
        private final Account account;
        private final @Nullable IntTable knownHomes;
        private final int[] homes;
        private final int[] blocks; // while it comes back: those that are in device memory already

        /**
         * Creates a part that is in device memory.
         *
         * @param entries leading entries that may hold a block
         * @param settled leading entries that are sealed
         * @param account account of the others
         * @param knownHomes homes that blocks were written through to
         */
        Part(IntTable table, int entries, int settled, Account account, @Nullable IntTable knownHomes) {
            this.table = table;
            this.settled = settled;
            this.account = account;
            this.knownHomes = knownHomes;
            homes = new int[entries];
            blocks = new int[entries];
            Arrays.fill(homes, ABSENT);
            Arrays.fill(blocks, ABSENT);
        }

        private int knownHome(int entry) {
            return knownHomes == null ? ABSENT : knownHomes.get(entry);
        }

        private Account account(int entry) {
            return entry < settled ? Account.SEALED : account;
        }
    }

    /** Takes references to homes that have the bytes already; returns how many more {@link #moveOut} takes. */
    int prepareOut() {
        int needed = 0;
        for (Part part : parts) {
            for (int entry = 0; entry < part.homes.length; entry++) {
                int block = part.table.get(entry);
                if (block != ABSENT) {
                    part.homes[entry] = copies.retainHome(block, part.knownHome(entry));
                    needed += part.homes[entry] == ABSENT ? 1 : 0;
                }
            }
        }
        return needed;
    }

    /** Copies every block that has no home to one; if that fails, {@link #release} undoes all. */
    void store(Reservation reservation) {
        for (Part part : parts) {
            for (int entry = 0; entry < part.homes.length; entry++) {
                int block = part.table.get(entry);
                if (block != ABSENT && part.homes[entry] == ABSENT) {
                    part.homes[entry] = copies.store(block, reservation);
                }
            }
        }
    }

    /** Gives every block up. */
    void moveOut() {
        for (Part part : parts) {
            for (int entry = 0; entry < part.homes.length; entry++) {
                int block = part.table.get(entry);
                if (block != ABSENT) {
                    copies.link(block, part.homes[entry]);
                    copies.releaseBlock(block);
                    part.table.set(entry, ABSENT);
                }
            }
        }
    }

    /** Takes references to blocks that have the bytes already; returns how many more {@link #moveIn} takes. */
    int prepareIn() {
        int needed = 0;
        for (Part part : parts) {
            for (int entry = 0; entry < part.homes.length; entry++) {
                if (part.homes[entry] != ABSENT) {
                    part.blocks[entry] = copies.retainBlock(part.homes[entry]);
                    needed += part.blocks[entry] == ABSENT ? 1 : 0;
                }
            }
        }
        return needed;
    }

    /** Undoes {@link #prepareIn} and {@link #load}. */
    void cancelIn() {
        for (Part part : parts) {
            for (int entry = 0; entry < part.blocks.length; entry++) {
                if (part.blocks[entry] != ABSENT) {
                    copies.releaseBlock(part.blocks[entry]);
                    part.blocks[entry] = ABSENT;
                }
            }
        }
    }

    /** Copies every home that no block has the bytes of to one; if that fails, {@link #cancelIn} undoes all. */
    void load(Reservation reservation) {
        for (Part part : parts) {
            for (int entry = 0; entry < part.homes.length; entry++) {
                if (part.homes[entry] != ABSENT && part.blocks[entry] == ABSENT) {
                    part.blocks[entry] = copies.load(part.homes[entry], part.account(entry), reservation);
                }
            }
        }
    }

    /** Takes every block, and gives the homes up. */
    void moveIn() {
        for (Part part : parts) {
            for (int entry = 0; entry < part.homes.length; entry++) {
                int home = part.homes[entry];
                if (home != ABSENT) {
                    copies.link(part.blocks[entry], home);
                    part.table.set(entry, part.blocks[entry]);
                    copies.release(home);
                }
            }
        }
    }

    /** Gives every home back; undoes {@link #prepareOut} and {@link #store}. */
    void release() {
        for (Part part : parts) {
            for (int home : part.homes) {
                if (home != ABSENT) {
                    copies.release(home);
                }
            }
        }
    }

    /** Adds its references to the recount, for audits. */
    void count(int[] homeReferences) {
        for (Part part : parts) {
            for (int home : part.homes) {
                if (home != ABSENT) {
                    homeReferences[home]++;
                }
            }
        }
    }
}
