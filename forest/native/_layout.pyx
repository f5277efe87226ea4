# cython: language_level=3, boundscheck=True, wraparound=False
"""Which cache line each node of a tree stands in.

A walk that enters a line should take as many steps in it as can be. So a line is filled with a connected piece of the
tree, from the piece's top, always taking next the node that most training samples passed. The lines that are left for
the node's children are filled likewise, the most visited first; whole subtrees that are smaller than a line share lines.
"""

from heapq import heappop, heappush

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t

cdef enum:
    PAIRS = 7  # in a line, numbered from 1
    WINDOW = 15  # lines that the words of a line can lead to
    MOST_EXITS = 8  # of a line: seven connected pairs are fourteen nodes, six of which lead to pairs of the line


cdef class _Placer:
    cdef const int64_t[::1] left, right
    cdef const double[::1] visits
    cdef int32_t[::1] size, line
    cdef uint8_t[::1] pair
    cdef int32_t lines, shared
    cdef int free

    def __init__(self, left, right, visits):
        cdef int64_t node
        self.left, self.right, self.visits = left, right, visits
        self.size, self.line, self.pair = (np.zeros(len(left), dtype) for dtype in (np.int32, np.int32, np.uint8))
        for node in range(len(left) - 1, -1, -1):  # a child's number is above its parent's
            if self.left[node] >= 0:
                self.size[node] = 1 + self.size[self.left[node]] + self.size[self.right[node]]
        self.lines, self.shared, self.free = 1, 0, 0

    cdef list fill(self, int64_t top, int32_t line, int first, int count):
        """Place up to ``count`` pairs, from the children of ``top`` down; returns the nodes whose pairs are left."""
        cdef list frontier = [top]
        cdef int64_t node, child
        cdef int i, best
        for i in range(first, first + count):
            if not frontier:
                break
            best = 0
            for at in range(1, len(frontier)):
                if self.visits[<int64_t>frontier[at]] > self.visits[<int64_t>frontier[best]]:
                    best = at
            node = frontier.pop(best)
            self.line[node], self.pair[node] = line, i
            for child in (self.left[node], self.right[node]):
                if self.left[child] >= 0:
                    frontier.append(child)
        return frontier

    def place(self):
        """Place all pairs; returns where the exits of each line begin."""
        cdef dict begins = {}
        cdef list queue = []
        cdef int32_t line, begin
        cdef int64_t node
        if self.left[0] >= 0:
            # The root itself stands in the first pair of its line.
            exits = self.fill(0, 0, 2, PAIRS - 1)
            if exits:
                heappush(queue, (-self.visits[0], 0, exits))
        while queue:
            _, line, exits = heappop(queue)
            if self.shared <= line or self.lines + MOST_EXITS - self.shared > WINDOW:
                self.free = 0
            begin = self.shared if self.free else self.lines
            begins[line] = begin
            for node in sorted(exits, key=self._visits, reverse=True):
                if self.size[node] > PAIRS:
                    rest = self.fill(node, self.lines, 1, PAIRS)
                    heappush(queue, (-self.visits[node], self.lines, rest))
                    self.lines += 1
            for node in sorted(exits):
                if self.size[node] <= PAIRS:
                    if self.free < self.size[node]:
                        self.shared, self.free = self.lines, PAIRS
                        self.lines += 1
                    self.fill(node, self.shared, PAIRS + 1 - self.free, self.size[node])
                    self.free -= self.size[node]
        out = np.zeros(self.lines, dtype=np.int64)
        out[list(begins)] = list(begins.values())
        return np.asarray(self.line), np.asarray(self.pair), out

    def _visits(self, node):
        return self.visits[node]


def place(left, right, visits):
    """Place the nodes of one tree.

    Siblings stand side by side, as a pair; a pair is named by the node whose children it holds.

    Args:
        left: (n,) int64, the left child of each node, above the node's own number; -1 for leaves.
        right: (n,) int64, likewise.
        visits: (n,) float64, how often a walk is expected to come by.

    Returns:
        (n,) int32, the line of each node's pair; (n,) uint8, its place in that line, 1..7, 0 for leaves;
        (lines,) int64, the first line that pairs below this line's stand in.
    """
    return _Placer(left, right, visits).place()
