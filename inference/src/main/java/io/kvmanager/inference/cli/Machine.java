package io.kvmanager.inference.cli;

/** One line about what a command ran on. */
public final class Machine {
    private Machine() {}

    /** What {@code --version} prints, line by line. */
    static String[] versions() {
        String version = Machine.class.getPackage().getImplementationVersion();
        return new String[] {"kv " + (version == null ? "(development)" : version), jvm()};
    }

    /** The JVM and how much of the machine it sees. */
    public static String jvm() {
        return System.getProperty("java.vm.name") + " " + System.getProperty("java.runtime.version") + ", "
                + System.getProperty("os.name") + " " + System.getProperty("os.arch") + ", "
                + Runtime.getRuntime().availableProcessors() + " processors";
    }
}
