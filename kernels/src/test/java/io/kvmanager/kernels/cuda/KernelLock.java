package io.kvmanager.kernels.cuda;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The lock that {@code ptx.sh} writes: what the committed PTX was made from, and by which compiler. */
record KernelLock(String nvcc, Map<String, String> sources, Map<String, String> ptx) {
    static final Path SOURCES = Path.of("src/main/cuda");
    static final Path PTX = Path.of("src/main/resources/io/kvmanager/kernels/cuda");
    static final String REMEDY = "; run kernels/ptx.sh where nvcc is";

    static KernelLock read(Path folder) throws IOException {
        String nvcc = "";
        Map<String, String> sources = new TreeMap<>();
        Map<String, String> ptx = new TreeMap<>();
        for (String line : Files.readAllLines(folder.resolve("kernels.lock"))) {
            String[] words = line.split(" ", -1);
            switch (words[0]) {
                case "nvcc" -> nvcc = words[1];
                case "source" -> sources.put(words[2], words[1]);
                case "ptx" -> ptx.put(words[2], words[1]);
                default -> throw new IOException("kernels.lock has a line that is none: " + line);
            }
        }
        return new KernelLock(nvcc, sources, ptx);
    }

    /** A line for every file that is not what it was when the lock was written. */
    List<String> drift(Path sourceFolder, Path ptxFolder) throws IOException {
        List<String> found = new ArrayList<>();
        compare(sources, hashes(sourceFolder, ""), "source", found);
        compare(ptx, hashes(ptxFolder, ".ptx"), "PTX", found);
        return found;
    }

    private static void compare(
            Map<String, String> locked, Map<String, String> present, String kind, List<String> found) {
        for (Map.Entry<String, String> file : locked.entrySet()) {
            String hash = present.get(file.getKey());
            if (hash == null) {
                found.add(kind + " " + file.getKey() + " is gone" + REMEDY);
            } else if (!hash.equals(file.getValue())) {
                found.add(kind + " " + file.getKey() + " has changed" + REMEDY);
            }
        }
        for (String name : present.keySet()) {
            if (!locked.containsKey(name)) {
                found.add(kind + " " + name + " is new" + REMEDY);
            }
        }
    }

    /** SHA-256 of every file of a folder whose name ends so. */
    static Map<String, String> hashes(Path folder, String suffix) throws IOException {
        Map<String, String> hashes = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (name.endsWith(suffix)) {
                    hashes.put(name, hash(Files.readAllBytes(file)));
                }
            }
        }
        return hashes;
    }

    private static String hash(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JVM has SHA-256", e);
        }
    }
}
