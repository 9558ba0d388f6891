package schemas

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrErased is the error of opening what was erased: its key is deleted.
var ErrErased = errors.New("it was erased: its key is deleted")

// errNoKey: the topic keys does not say anything of a key.
var errNoKey = errors.New("its key is not known; was the topic keys emptied?")

// keyPatience is how long a key is waited for that another process made: it was
// durable before what is sealed with it, so that only the reading can be late.
const keyPatience = 15 * time.Second

// Keys are the keys that what erasable flows write to Kafka is sealed with
// (AES-256-GCM): one for each execution, so that an execution is erased by
// deleting its key.
//
// Keys are the leaves of trees (keytree.go). A process that takes hooks makes a
// tree, writes its root to the topic keys, sealed with the installation's
// secret key, and hands its leaves out one by one: the topic grows by a record
// for 65,536 hooks. To delete some keys, a tree's record is replaced by one from
// which all other keys can still be made.
//
// A nil Keys opens what is not sealed, and seals nothing. Keys are safe for
// concurrent use.
type Keys struct {
	secret *Seal

	mu      sync.RWMutex
	trees   map[string]keyTree
	changed chan struct{}
	put     func(ctx context.Context, tree string, sealed []byte) error

	making sync.Mutex
	tree   string // whose leaves are handed out; empty: none yet
	next   int    // leaf
}

// NewKeys makes Keys under the installation's secret key (SLUICE_SECRET_KEY).
// They know none until Apply is called.
func NewKeys(secretKey string) (*Keys, error) {
	secret, err := newSeal(secretKey, "sluice erasable")
	if err != nil {
		return nil, err
	}
	return &Keys{secret: secret, trees: map[string]keyTree{}, changed: make(chan struct{})}, nil
}

// Attach says how a tree's record is appended to the topic keys; it must be
// durable when put returns. Before this no key can be made.
func (k *Keys) Attach(put func(ctx context.Context, tree string, sealed []byte) error) { k.put = put }

// Apply takes in a record of the topic keys.
func (k *Keys) Apply(tree string, sealed []byte) error {
	t, err := k.openTree(tree, sealed)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trees[tree] = t
	close(k.changed)
	k.changed = make(chan struct{})
	return nil
}

func (k *Keys) openTree(tree string, sealed []byte) (keyTree, error) {
	plain, err := k.secret.Open("tree "+tree, sealed)
	if err != nil {
		return nil, fmt.Errorf("reading the keys %s: %w", tree, err)
	}
	t, err := readKeyTree(plain)
	if err != nil {
		return nil, fmt.Errorf("reading the keys %s: %w", tree, err)
	}
	return t, nil
}

// New makes a key that nothing was sealed with, and names it.
func (k *Keys) New(ctx context.Context) (name string, err error) {
	if k == nil || k.put == nil {
		return "", errors.New("making a key: this process has no keys")
	}
	k.making.Lock()
	defer k.making.Unlock()
	if k.tree == "" || k.next == keyLeaves {
		raw := make([]byte, 16)
		rand.Read(raw)
		tree := base64.RawURLEncoding.EncodeToString(raw)
		sealed := k.secret.Close("tree "+tree, newKeyTree().bytes())
		if err := k.put(ctx, tree, sealed); err != nil {
			return "", fmt.Errorf("making a key: %w", err)
		}
		if err := k.Apply(tree, sealed); err != nil {
			return "", err
		}
		k.tree, k.next = tree, 0
	}
	name = k.tree + "." + strconv.Itoa(k.next)
	k.next++
	return name, nil
}

// KeyLeaf reads a key's name: the tree it is of, and which leaf.
func KeyLeaf(name string) (tree string, leaf int, err error) {
	tree, number, ok := strings.Cut(name, ".")
	leaf, err = strconv.Atoi(number)
	if !ok || tree == "" || err != nil || leaf < 0 || leaf >= keyLeaves {
		return "", 0, fmt.Errorf("%q is no key's name", name)
	}
	return tree, leaf, nil
}

// Without is a tree's record without the keys of some leaves, and how many of
// those it had.
func (k *Keys) Without(tree string, sealed []byte, leaves []int) (without []byte, deleted int, err error) {
	t, err := k.openTree(tree, sealed)
	if err != nil {
		return nil, 0, err
	}
	t, deleted = t.without(leaves)
	return k.secret.Close("tree "+tree, t.bytes()), deleted, nil
}

// seal encrypts with the key of a name; about is authenticated with it.
func (k *Keys) seal(name, about string, plain []byte) ([]byte, error) {
	aead, err := k.key(context.Background(), name)
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", about, err)
	}
	return aead.Seal(nil, nil, plain, []byte(about)), nil
}

// open decrypts what seal made under the same name and about.
func (k *Keys) open(ctx context.Context, name, about string, sealed []byte) ([]byte, error) {
	aead, err := k.key(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", about, err)
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(about))
	if err != nil {
		return nil, fmt.Errorf("opening %s: the key does not fit", about)
	}
	return plain, nil
}

func (k *Keys) key(ctx context.Context, name string) (cipher.AEAD, error) {
	if k == nil {
		return nil, errors.New("this process has no keys")
	}
	tree, leaf, err := KeyLeaf(name)
	if err != nil {
		return nil, err
	}
	t, err := k.wait(ctx, tree)
	if err != nil {
		return nil, err
	}
	raw, ok := t.leaf(leaf)
	if !ok {
		return nil, ErrErased
	}
	block, err := aes.NewCipher(raw[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// wait finds a tree, which may have been made a moment ago.
func (k *Keys) wait(ctx context.Context, tree string) (keyTree, error) {
	var late <-chan time.Time
	for {
		k.mu.RLock()
		t, changed := k.trees[tree], k.changed
		k.mu.RUnlock()
		if t != nil {
			return t, nil
		}
		if late == nil {
			late = time.After(keyPatience)
		}
		select {
		case <-changed:
		case <-late:
			return nil, errNoKey
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
