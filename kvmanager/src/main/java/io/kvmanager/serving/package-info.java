/**
 * Which requests run: a queue in front of a cache that admits, suspends, drops and resumes, so that an engine only
 * computes what it is told.
 *
 * <pre>{@code
 * StepPlan plan = queue.nextStep();
 * for (Prompt prompt : plan.prompts()) {       // begun: attendPrompt for every layer, then commit
 *     engine.prefill(prompt.request().sequence(), prompt.request(), prompt.tokens());
 * }
 * for (Request request : plan.tokens()) {      // begun: attend for every layer, then commit
 *     engine.decode(request.sequence(), request);
 *     if (engine.ended(request)) {
 *         queue.finish(request);
 *     }
 * }
 * }</pre>
 *
 * <p>Reading order: {@code RequestQueue}, {@code StepPlan}, {@code Request}, {@code PreemptionOrder},
 * {@code WorkRates}.
 *
 * <p>The law of this package:
 * <ul>
 *   <li>What a plan tells to compute is reserved: its sequences' steps are begun, and cannot run out of memory.
 *   <li>Requests enter in the order of their arrival, the preempted ones by their first arrival; nobody overtakes. A
 *       request that cannot fit an empty cache is refused when its turn comes, never waited for.
 *   <li>Nobody is preempted for a request that has not entered. A preempted request does not enter again before
 *       another has left, unless nothing runs; the last one running is never preempted. So somebody always finishes,
 *       and whoever is first in line enters after finitely many have.
 *   <li>A preempted request is suspended or dropped. A dropped one is computed again: the engine is told a prompt of
 *       all or some of the tokens it has already, and feeds what follows by position, {@code sequence().length()},
 *       from what it knows before it samples anything new.
 *   <li>The order of preemption never changes what a request computes, except that a dropped request under a retention
 *       that prunes may keep other tokens than the first time.
 *   <li>Requests may be submitted from any thread; everything else is the engine's thread, between its steps.
 * </ul>
 */
@NullMarked
package io.kvmanager.serving;

import org.jspecify.annotations.NullMarked;
