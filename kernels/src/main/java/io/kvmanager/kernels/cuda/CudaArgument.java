package io.kvmanager.kernels.cuda;

/**
 * What a user wrote behind {@code cuda:}.
 *
 * @param ordinal number of the device, as the driver counts
 * @param synchronous wait for every launch, so that a failure names its kernel
 */
record CudaArgument(int ordinal, boolean synchronous) {
    private static final String SYNCHRONOUS = "sync";

    static CudaArgument parse(String text) {
        if (text.isEmpty()) {
            return new CudaArgument(0, false);
        }
        int ordinal = 0;
        boolean synchronous = false;
        String[] parts = text.split(",", -1);
        for (int i = 0; i < parts.length; i++) {
            if (parts[i].equals(SYNCHRONOUS) && i == parts.length - 1) {
                synchronous = true;
            } else if (parts[i].matches("[0-9]{1,4}") && i == 0) {
                ordinal = Integer.parseInt(parts[i]);
            } else {
                throw new IllegalArgumentException("argument '" + text + "' of device cuda is unknown; accepted: "
                        + "nothing, a device number, sync, or a number with ',sync' behind");
            }
        }
        return new CudaArgument(ordinal, synchronous);
    }
}
