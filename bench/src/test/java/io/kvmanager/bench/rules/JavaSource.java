package io.kvmanager.bench.rules;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/**
 * One source with its syntax tree: parsed only, so it needs no class path and no other source.
 *
 * @param path relative to the repository's root, for instance {@code paging/src/main/java/…/BlockPool.java}
 */
record JavaSource(Path path, List<String> lines, CompilationUnitTree tree, SourcePositions positions) {

    /** Reads and parses the given files, all below the repository's root. */
    static List<JavaSource> read(List<Path> files) throws IOException {
        List<Path> names = new ArrayList<>();
        List<String> texts = new ArrayList<>();
        for (Path file : files) {
            names.add(SourceTree.root().relativize(file));
            texts.add(Files.readString(file));
        }
        return parse(names, texts);
    }

    static JavaSource of(Path path, String text) throws IOException {
        return parse(List.of(path), List.of(text)).getFirst();
    }

    private static List<JavaSource> parse(List<Path> paths, List<String> texts) throws IOException {
        List<JavaFileObject> units = new ArrayList<>();
        for (int i = 0; i < paths.size(); i++) {
            units.add(inMemory(paths.get(i), texts.get(i)));
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<String> options = List.of("-proc:none");
        JavacTask task = (JavacTask) compiler.getTask(null, null, null, options, null, units);
        SourcePositions positions = Trees.instance(task).getSourcePositions();
        List<JavaSource> sources = new ArrayList<>();
        for (CompilationUnitTree tree : task.parse()) {
            int i = sources.size();
            sources.add(new JavaSource(paths.get(i), texts.get(i).lines().toList(), tree, positions));
        }
        if (sources.size() != paths.size()) {
            throw new IllegalStateException(paths.size() + " sources gave " + sources.size() + " syntax trees");
        }
        return sources;
    }

    private static JavaFileObject inMemory(Path path, String text) {
        return new SimpleJavaFileObject(URI.create("string:///" + path), JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                return text;
            }
        };
    }

    String module() {
        return path.getName(0).toString();
    }

    boolean isMain() {
        return path.startsWith(Path.of(module(), "src", "main"));
    }

    /** The one-based line on which the tree begins, annotations included. */
    long firstLine(Tree node) {
        return tree.getLineMap().getLineNumber(positions.getStartPosition(tree, node));
    }

    /** The one-based line on which the tree ends. */
    long lastLine(Tree node) {
        return tree.getLineMap().getLineNumber(positions.getEndPosition(tree, node));
    }
}
