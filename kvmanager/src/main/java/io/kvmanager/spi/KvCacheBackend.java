package io.kvmanager.spi;

import io.kvmanager.Admission;
import io.kvmanager.KvSequence;
import io.kvmanager.Ledger;
import io.kvmanager.MemoryUse;
import io.kvmanager.PageTables;
import io.kvmanager.PrefixRequest;
import io.kvmanager.StepBatch;
import java.util.List;

/** An open cache, behind {@link io.kvmanager.KvCache}. */
public interface KvCacheBackend extends AutoCloseable {

    KvSequence openSequence();

    /** See {@link io.kvmanager.KvCache#openSequence(PrefixRequest)}. */
    default KvSequence openSequence(PrefixRequest request) {
        throw new UnsupportedOperationException("this cache does not keep prefixes");
    }

    /** See {@link io.kvmanager.KvCache#pageTables}. */
    default PageTables pageTables(int layer, List<KvSequence> sequences) {
        throw new UnsupportedOperationException("this cache has no block tables");
    }

    /** See {@link io.kvmanager.KvCache#cachedTokens}. */
    default int cachedTokens(PrefixRequest request) {
        return 0;
    }

    /** See {@link io.kvmanager.KvCache#admit(int, int)}. */
    Admission admit(int promptTokens, int newTokens);

    /** See {@link io.kvmanager.KvCache#admit(KvSequence)}. */
    Admission admit(KvSequence suspended);

    /** See {@link io.kvmanager.KvCache#begin}. */
    void begin(StepBatch batch);

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
