"""The archive of a binary log: segments, their chain and index, and what adds to them."""
