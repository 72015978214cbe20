# void emulation_switch(void** saveStackPointer, void* targetStackPointer)
#
# Leaves the running stack and continues on another one. What the System V x86-64 calling convention lets a callee
# change is already saved by the caller; the six registers here and the stack pointer are all that is left.
    .text
    .globl emulation_switch
    .type emulation_switch, @function
emulation_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size emulation_switch, . - emulation_switch
    .section .note.GNU-stack, "", @progbits
