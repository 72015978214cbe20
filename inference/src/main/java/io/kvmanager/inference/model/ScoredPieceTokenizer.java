package io.kvmanager.inference.model;

final class ScoredPieceTokenizer implements Tokenizer {
    @Override
    public int vocabulary() {
        throw new UnsupportedOperationException("not built yet");
    }

    @Override
    public int[] encode(String text) {
        throw new UnsupportedOperationException("not built yet");
    }

    @Override
    public byte[] bytes(int previous, int id) {
        throw new UnsupportedOperationException("not built yet");
    }
}
