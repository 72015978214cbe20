package io.kvmanager.bench.rules;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.fail;

import com.palantir.javaformat.java.Formatter;
import com.palantir.javaformat.java.FormatterException;
import com.palantir.javaformat.java.JavaFormatterOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;

/**
 * Every source is exactly what the formatter makes of it. {@code mvn -q -Pformat test} rewrites what is not.
 *
 * <p>The formatter runs in this test because it parses with the compiler of the JVM it runs in, and only the test JVM
 * is sure to know the language level of the sources; the JVM that runs Maven may be older.
 */
final class FormatTest {
    private static final Formatter FORMATTER = Formatter.createFormatter(JavaFormatterOptions.builder()
            .style(JavaFormatterOptions.Style.PALANTIR)
            .build());

    @Test
    void everySourceIsFormatted() throws IOException {
        boolean write = "write".equals(System.getProperty("kv.format", "check"));
        ConcurrentLinkedQueue<String> findings = new ConcurrentLinkedQueue<>();
        SourceTree.javaFiles().parallelStream()
                .map(file -> finding(file, write))
                .filter(Objects::nonNull)
                .forEach(findings::add);
        List<String> sorted = findings.stream().sorted().toList();
        if (!sorted.isEmpty()) {
            fail("run mvn -q -Pformat test, for:\n" + String.join("\n", sorted));
        }
    }

    @Test
    void aBadlyFormattedSourceIsNoticed() throws FormatterException {
        String bad = "package p;\n\nimport java.util.List;\n\nfinal class A {\n  int  x ;\n}\n";
        String good = "package p;\n\nfinal class A {\n    int x;\n}\n";
        assertNotEquals(bad, FORMATTER.formatSourceAndFixImports(bad));
        assertEquals(good, FORMATTER.formatSourceAndFixImports(bad));
    }

    /** What is wrong with the file, or null; with {@code write} a file that can be formatted is. */
    private static String finding(Path file, boolean write) {
        String name = SourceTree.root().relativize(file).toString();
        try {
            String source = Files.readString(file);
            String formatted = FORMATTER.formatSourceAndFixImports(source);
            if (formatted.equals(source)) {
                return null;
            }
            if (write) {
                Files.writeString(file, formatted);
                return null;
            }
            return name + ": not formatted";
        } catch (FormatterException e) {
            return name + ": " + e.getMessage();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
