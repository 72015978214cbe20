package io.kvmanager.paging;

import io.kvmanager.Admission;
import io.kvmanager.CacheGeometry;
import io.kvmanager.KvCacheConfig;
import io.kvmanager.TierBytes;

/**
 * Answers whether a request fits, from the same {@link Footprint} that reserves its prompt.
 *
 * <ol>
 *   <li>NEVER: it is longer than a sequence may be, or what it holds at its peak, last token included, exceeds an empty
 *       cache.
 *   <li>WAIT: no sequence can be opened, or the prompt's peak and the watermark exceed what is available.
 *   <li>ADMIT otherwise. An empty device needs no watermark, so what is alone and not NEVER is admitted.
 * </ol>
 */
final class AdmissionControl {
    private final KvCacheConfig config;
    private final Availability availability;
    private final Footprint footprint;
    private final int emptyBlocks;
    private final int emptyHomes;
    private final int watermarkBlocks;
    private final long blockBytes;
    private Life life = new Life(0, 0, 0, 0);

    /** The peak of the request that was asked for last: a queue asks for its head again and again. */
    private record Life(int promptTokens, int newTokens, int blocks, int homes) {}

    /**
     * Answers for one cache.
     *
     * @param footprint scratch
     * @param emptyBlocks blocks that sequences can have when nothing is open
     * @param emptyHomes homes likewise
     */
    AdmissionControl(
            KvCacheConfig config, Availability availability, Footprint footprint, int emptyBlocks, int emptyHomes) {
        this.config = config;
        this.availability = availability;
        this.footprint = footprint;
        this.emptyBlocks = emptyBlocks;
        this.emptyHomes = emptyHomes;
        this.watermarkBlocks = (int) Math.ceil(config.watermark() * emptyBlocks);
        this.blockBytes = config.geometry().blockBytes();
    }

    /** Checks the lengths of a request; returns their sum, tokens. */
    static long requireLengths(int promptTokens, int newTokens) {
        if (promptTokens < 1 || newTokens < 0) {
            throw new IllegalArgumentException("a request of " + promptTokens + " prompt tokens and " + newTokens
                    + " new ones; accepted: 1 or more, and 0 or more");
        }
        return (long) promptTokens + newTokens;
    }

    /** The answer for a request that exceeds the length of sequences. */
    static Admission tooLong(long tokens, KvCacheConfig config) {
        return new Admission.Never(
                tokens + " tokens exceed maxSequenceTokens " + config.maxSequenceTokens() + "; raise it");
    }

    /** A new request; {@code freeSequences} more can be opened. */
    Admission admit(int promptTokens, int newTokens, int freeSequences) {
        long tokens = requireLengths(promptTokens, newTokens);
        if (tokens > config.maxSequenceTokens()) {
            return tooLong(tokens, config);
        }
        if (!fitsEmpty((int) tokens)) {
            Life peak = life(promptTokens, newTokens);
            if (peak.blocks() > emptyBlocks || peak.homes() > emptyHomes) {
                return never(peak);
            }
        }
        Footprint prompt = footprint.run(promptTokens == 1 ? 0 : promptTokens, promptTokens);
        return answer(prompt.peakBlocks(), prompt.peakHomes(), freeSequences > 0 ? 0 : 1);
    }

    /** A suspended sequence that needs {@code blocks} device blocks. */
    Admission admitSuspended(int blocks) {
        return answer(blocks, 0, 0);
    }

    private Admission answer(int blocks, int homes, int sequences) {
        TierBytes now = availability.now();
        boolean deviceEmpty = now.device() == emptyBlocks * blockBytes;
        TierBytes deficit = now.deficit(availability.bytes(blocks + (deviceEmpty ? 0L : watermarkBlocks), homes));
        return deficit.equals(TierBytes.NONE) && sequences == 0
                ? new Admission.Admit()
                : new Admission.Wait(deficit, sequences);
    }

    /** Whether {@code tokens} tokens fit an empty cache even if nothing is pruned: cheap, and nearly always so. */
    private boolean fitsEmpty(int tokens) {
        CacheGeometry geometry = config.geometry();
        PyramidSchedule schedule = new PyramidSchedule(config.retention(), geometry.layers(), geometry.blockTokens());
        long blocks = 0;
        long homes = 0;
        for (int layer = 0; layer < geometry.layers(); layer++) {
            LayerShape shape = new LayerShape(layer, schedule, geometry, config.placement());
            int logical = geometry.blocksFor(tokens);
            blocks += 2L * logical + shape.queryBlocks() + shape.standInBlocks(logical);
            homes += shape.homes(logical);
        }
        return blocks <= emptyBlocks && homes <= emptyHomes;
    }

    private Life life(int promptTokens, int newTokens) {
        if (life.promptTokens() != promptTokens || life.newTokens() != newTokens) {
            int first = promptTokens == 1 ? 0 : promptTokens;
            Footprint whole = footprint.run(first, promptTokens + newTokens);
            life = new Life(promptTokens, newTokens, whole.peakBlocks(), whole.peakHomes());
        }
        return life;
    }

    private Admission never(Life peak) {
        StringBuilder reason = new StringBuilder()
                .append(peak.promptTokens())
                .append(" prompt and ")
                .append(peak.newTokens())
                .append(" new tokens take");
        if (peak.blocks() > emptyBlocks) {
            append(reason, peak.blocks(), emptyBlocks, "device", "deviceBytes");
        }
        if (peak.homes() > emptyHomes) {
            append(reason, peak.homes(), emptyHomes, "host", "hostBytes");
        }
        return new Admission.Never(reason.toString());
    }

    private void append(StringBuilder reason, int needed, int empty, String tier, String setting) {
        reason.append(' ')
                .append(needed * blockBytes)
                .append(" bytes of ")
                .append(tier)
                .append(" memory, an empty cache has ")
                .append(empty * blockBytes)
                .append("; raise ")
                .append(setting)
                .append('.');
    }
}
