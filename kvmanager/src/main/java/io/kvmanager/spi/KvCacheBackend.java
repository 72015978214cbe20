package io.kvmanager.spi;

import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.MemoryUse;
import java.util.List;

/** An open cache, behind {@link io.kvmanager.KvCache}. */
public interface KvCacheBackend extends AutoCloseable {

    KvSequence openSequence();

    String deviceDescription();

    /** See {@link Device#stream}. */
    long stream();

    /** See {@link Device#synchronize}. */
    void synchronize();

    Ledger ledger();

    MemoryUse memory();

    /** Recounts from the owners' side; every difference is a line. */
    List<String> audit();

    /** Closes what is open and gives memory back; a second close does nothing. */
    @Override
    void close();
}
