#pragma once
constexpr unsigned ALL_LANES = 0xffffffffu;
