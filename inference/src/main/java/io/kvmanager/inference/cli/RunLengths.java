package io.kvmanager.inference.cli;

import java.util.List;
import java.util.StringJoiner;

/** Numbers with repetitions folded: {@code 120 6x60 30}. */
final class RunLengths {
    private RunLengths() {}

    static String of(List<Integer> numbers) {
        StringJoiner text = new StringJoiner(" ");
        for (int from = 0; from < numbers.size(); ) {
            int to = from + 1;
            while (to < numbers.size() && numbers.get(to).equals(numbers.get(from))) {
                to++;
            }
            text.add(to - from == 1 ? String.valueOf(numbers.get(from)) : (to - from) + "x" + numbers.get(from));
            from = to;
        }
        return text.toString();
    }
}
