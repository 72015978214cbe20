package io.kvmanager.paging;

import io.kvmanager.Ledger;
import io.kvmanager.Ledger.Account;
import io.kvmanager.MemoryUse;
import io.kvmanager.Tier;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ValueTier;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where every block and home of a cache is, and whether owners and tiers agree on it. */
final class Books {
    private final Device device;
    private final long blockBytes;
    private final BlockPool pool;
    private final ValueTier tier;
    private final HostCopies copies;
    private final @Nullable PrefixSharing prefixes;
    private final int[] tileCacheBlocks;
    private final int homes;

    Books(
            Device device,
            long blockBytes,
            BlockPool pool,
            ValueTier tier,
            HostCopies copies,
            @Nullable PrefixSharing prefixes,
            int[] tileCacheBlocks,
            int homes) {
        this.device = device;
        this.blockBytes = blockBytes;
        this.pool = pool;
        this.tier = tier;
        this.copies = copies;
        this.prefixes = prefixes;
        this.tileCacheBlocks = tileCacheBlocks;
        this.homes = homes;
    }

    Ledger ledger() {
        List<Ledger.Entry> entries = new ArrayList<>();
        for (Account account : Account.values()) {
            entries.add(new Ledger.Entry(Tier.DEVICE, account, pool.blocksIn(account) * blockBytes));
        }
        entries.add(new Ledger.Entry(Tier.HOST, Account.FREE, (homes - tier.usedBlocks()) * blockBytes));
        int suspended = copies.suspendedHomes();
        entries.add(new Ledger.Entry(Tier.HOST, Account.SEALED, (tier.usedBlocks() - suspended) * blockBytes));
        entries.add(new Ledger.Entry(Tier.HOST, Account.SUSPENDED, suspended * blockBytes));
        return new Ledger(entries, pool.capacity() * blockBytes, homes * blockBytes);
    }

    MemoryUse memory() {
        long beside = device.allocatedBytes(Tier.DEVICE) - pool.capacity() * blockBytes;
        return new MemoryUse(
                beside + pool.usedBlocks() * blockBytes,
                beside + pool.peakUsedBlocks() * blockBytes,
                device.allocatedBytes(Tier.DEVICE),
                tier.usedBlocks() * blockBytes,
                tier.peakBlocks() * blockBytes,
                device.allocatedBytes(Tier.HOST));
    }

    /** Recounts every reference from the owners' side; a line for each thing that differs. */
    List<String> audit(Collection<PagedSequence> sequences) {
        int[] blockReferences = new int[pool.capacity()];
        int[] homeReferences = new int[homes];
        for (int id : tileCacheBlocks) {
            blockReferences[id]++;
        }
        for (PagedSequence sequence : sequences) {
            sequence.count(blockReferences, homeReferences);
        }
        if (prefixes != null) {
            prefixes.count(blockReferences, homeReferences);
        }
        List<String> found = new ArrayList<>(pool.audit(blockReferences));
        for (int home = 0; home < homes; home++) {
            if (tier.references(home) != homeReferences[home]) {
                found.add("home " + home + " has " + tier.references(home) + " references, its owners hold "
                        + homeReferences[home]);
            }
        }
        found.addAll(tier.audit());
        found.addAll(copies.audit());
        if (prefixes != null) {
            found.addAll(prefixes.audit());
        }
        found.addAll(ledger().imbalances());
        return found;
    }
}
