package io.kvmanager;

/**
 * What value fetching did for one query head of one layer; see {@link FetchReport} for the bound.
 *
 * @param missedMassMean attention mass on tiles that were not read, mean over attentions, 0..1
 * @param missedMassMax largest missed mass, 0..1
 * @param boundMean error bound over the output's norm, mean over attentions
 * @param boundMax largest error bound over the output's norm
 * @param tilesSelected tiles that were chosen and read for its KV head, which its GQA group shares
 * @param bytesFetched bytes that were copied or read from host memory for its KV head
 */
public record HeadFetch(
        double missedMassMean,
        double missedMassMax,
        double boundMean,
        double boundMax,
        long tilesSelected,
        long bytesFetched) {}
