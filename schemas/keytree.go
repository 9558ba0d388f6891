package schemas

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
)

// keyBits is the depth of a tree of keys.
const (
	keyBits   = 16
	keyLeaves = 1 << keyBits
)

// keyTree is a tree of keys, less those that were deleted: nodes that stand
// beside each other, in order, and whose descendants are the keys that are left.
// A node's children are hashes of it, so that whoever has a node can make all
// keys below it, and nobody can make a node from its descendants (the puncturable
// function of Goldreich, Goldwasser and Micali). It is immutable, and never nil.
type keyTree []keyNode

type keyNode struct {
	depth uint8  // 0: the root
	path  uint16 // from the root, in its lowest depth bits
	seed  [32]byte
}

func newKeyTree() keyTree {
	var root keyNode
	rand.Read(root.seed[:])
	return keyTree{root}
}

func (n keyNode) first() int { return int(n.path) << (keyBits - n.depth) }

// end is behind its last leaf.
func (n keyNode) end() int { return n.first() + 1<<(keyBits-n.depth) }

func (n keyNode) child(side uint16) keyNode {
	return keyNode{n.depth + 1, n.path<<1 | side, sha256.Sum256(append(n.seed[:], byte(side)))}
}

// above is where the node is that has a leaf below it, or -1.
func (t keyTree) above(leaf int) int {
	at := sort.Search(len(t), func(i int) bool { return t[i].first() > leaf }) - 1
	if at < 0 || leaf >= t[at].end() {
		return -1
	}
	return at
}

// leaf is a key, or false when it was deleted.
func (t keyTree) leaf(leaf int) ([32]byte, bool) {
	at := t.above(leaf)
	if at < 0 {
		return [32]byte{}, false
	}
	node := t[at]
	for node.depth < keyBits {
		node = node.child(uint16(leaf>>(keyBits-1-node.depth)) & 1)
	}
	return node.seed, true
}

// without is the tree less keys, and how many of them it had: in place of each
// node above one stand those below it that have none of them beneath. It takes
// as long as reading the tree and the leaves, however many there are.
func (t keyTree) without(leaves []int) (left keyTree, deleted int) {
	left = keyTree{}
	leaves = slices.Compact(slices.Sorted(slices.Values(leaves)))
	for _, node := range t {
		from, _ := slices.BinarySearch(leaves, node.first())
		to, _ := slices.BinarySearch(leaves, node.end())
		left = node.without(left, leaves[from:to])
		deleted += to - from
	}
	return left, deleted
}

// without appends to a tree what is left of a node less some of its leaves.
func (n keyNode) without(t keyTree, leaves []int) keyTree {
	switch {
	case len(leaves) == 0:
		return append(t, n)
	case len(leaves) == n.end()-n.first():
		return t
	}
	right := n.child(1)
	at, _ := slices.BinarySearch(leaves, right.first())
	return right.without(n.child(0).without(t, leaves[:at]), leaves[at:])
}

const keyNodeBytes = 1 + 2 + 32

func (t keyTree) bytes() []byte {
	out := make([]byte, 0, len(t)*keyNodeBytes)
	for _, n := range t {
		out = append(binary.BigEndian.AppendUint16(append(out, n.depth), n.path), n.seed[:]...)
	}
	return out
}

func readKeyTree(b []byte) (keyTree, error) {
	if len(b)%keyNodeBytes != 0 {
		return nil, errors.New("it is no tree of keys")
	}
	t := make(keyTree, 0, len(b)/keyNodeBytes)
	for ; len(b) > 0; b = b[keyNodeBytes:] {
		n := keyNode{depth: b[0], path: binary.BigEndian.Uint16(b[1:]), seed: [32]byte(b[3:keyNodeBytes])}
		if n.depth > keyBits {
			return nil, errors.New("it is no tree of keys")
		}
		t = append(t, n)
	}
	return t, nil
}
