"""PyTorch's scaled_dot_product_attention on the shapes of `kv bench attention-gpu`, timed in the same way.

usage: baseline.py FILE.json [CASES]     cases as there, batch x tokens: 1x4096,64x4096
"""
import json
import statistics
import sys
import time

import torch

QUERY_HEADS, HEAD_SIZE, WARM_UP, ROUNDS = 32, 128, 3, 20


def timed(step):
    nanos = []
    for round_number in range(-WARM_UP, ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter_ns()
        step()
        torch.cuda.synchronize()
        if round_number >= 0:
            nanos.append(time.perf_counter_ns() - start)
    return nanos


def measure(batch, tokens, kv_heads, dtype):
    q = torch.randn(batch, QUERY_HEADS, 1, HEAD_SIZE, device="cuda", dtype=dtype)
    k = torch.randn(batch, kv_heads, tokens, HEAD_SIZE, device="cuda", dtype=dtype)
    v = torch.randn_like(k)
    attention = torch.nn.functional.scaled_dot_product_attention
    nanos = timed(lambda: attention(q, k, v, enable_gqa=kv_heads != QUERY_HEADS))
    return {
        "device": torch.cuda.get_device_name(), "name": "torch " + torch.__version__ + " sdpa", "batch": batch,
        "tokens": tokens, "queryHeads": QUERY_HEADS, "kvHeads": kv_heads, "headSize": HEAD_SIZE,
        "elementType": str(dtype).rsplit(".", 1)[-1], "bytes": 2 * k.numel() * k.element_size(),
        "nanosMin": min(nanos), "nanosMedian": int(statistics.median(nanos)), "nanosMax": max(nanos),
    }


def main():
    cases = sys.argv[2] if len(sys.argv) > 2 else "1x4096,8x4096,64x4096,1x32768,8x32768,1x131072"
    runs = []
    for dtype in (torch.float16, torch.bfloat16):
        for kv_heads in (QUERY_HEADS, QUERY_HEADS // 4):
            for case in cases.split(","):
                batch, tokens = map(int, case.split("x"))
                runs.append(measure(batch, tokens, kv_heads, dtype))
                print(runs[-1])
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(runs, file, indent=1)


main()
