package schemas

import (
	"slices"
	"strings"
)

// Parents are the steps that a step runs after, by their index: those of its
// after, or the step above when it has none (an empty list is one). Unknown
// IDs are left out.
func (f *Flow) Parents(step int) []int {
	return f.parents(step, func(id string) (int, bool) {
		i := slices.IndexFunc(f.Steps, func(s Step) bool { return s.ID == id })
		return i, i >= 0
	})
}

func (f *Flow) parents(step int, index func(id string) (int, bool)) []int {
	if f.Steps[step].After == nil {
		if step == 0 {
			return nil
		}
		return []int{step - 1}
	}
	var parents []int
	for _, id := range f.Steps[step].After {
		if i, ok := index(id); ok {
			parents = append(parents, i)
		}
	}
	return parents
}

// graph is which step comes after which.
type graph struct {
	ids     []string       // by step
	index   map[string]int // of the first step with an ID
	parents [][]int
}

func newGraph(f *Flow) *graph {
	g := &graph{index: make(map[string]int, len(f.Steps)), parents: make([][]int, len(f.Steps))}
	for i := range f.Steps {
		g.ids = append(g.ids, f.Steps[i].ID)
		if _, ok := g.index[f.Steps[i].ID]; !ok {
			g.index[f.Steps[i].ID] = i
		}
	}
	for i := range f.Steps {
		g.parents[i] = f.parents(i, func(id string) (int, bool) { i, ok := g.index[id]; return i, ok })
	}
	return g
}

// names are the steps' IDs, each once, as in the document.
func (g *graph) names() []string {
	var names []string
	for i, id := range g.ids {
		if g.index[id] == i {
			names = append(names, id)
		}
	}
	return names
}

// upstream are the IDs of all steps that a step runs after.
func (g *graph) upstream(step int) map[string]bool {
	found := map[string]bool{}
	todo := slices.Clone(g.parents[step])
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !found[g.ids[i]] {
			found[g.ids[i]] = true
			todo = append(todo, g.parents[i]...)
		}
	}
	return found
}

// siblings reports whether two steps run after the same ones.
func (g *graph) siblings(a, b int) bool {
	x, y := slices.Clone(g.parents[a]), slices.Clone(g.parents[b])
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// cycle is a ring of steps: its names in the order they would run, the first
// one again at the end; and the step whose after closes it.
type cycle struct {
	step  int
	names []string
}

// cycles finds a ring through every step that is in one, each ring once.
func (g *graph) cycles() []cycle {
	const (
		unseen = iota
		open
		done
	)
	var (
		found []cycle
		state = make([]int, len(g.parents))
		way   []int
		visit func(int)
	)
	visit = func(i int) {
		state[i] = open
		way = append(way, i)
		for _, parent := range g.parents[i] {
			switch state[parent] {
			case unseen:
				visit(parent)
			case open:
				ring := slices.Clone(way[slices.Index(way, parent):])
				slices.Reverse(ring) // the way leads from a step to what is before it
				// It is told from the step that stands first in the document.
				first := slices.Index(ring, slices.Min(ring))
				ring = append(ring[first:], ring[:first]...)
				c := cycle{step: ring[0]}
				for _, i := range append(ring, ring[0]) {
					c.names = append(c.names, g.ids[i])
				}
				found = append(found, c)
			}
		}
		way = way[:len(way)-1]
		state[i] = done
	}
	for i := range g.parents {
		if state[i] == unseen {
			visit(i)
		}
	}
	return found
}

// stepReference is steps.NAME in an expression.
type stepReference struct {
	name string
	at   int // of `steps`, in characters
	end  int // in bytes
}

// stepReferences scans a JSONata expression for steps.NAME. Inside a predicate,
// a group or a path's block, where names belong to what the path has found
// rather than to the root, it looks for none.
func stepReferences(src string) []stepReference {
	var found []stepReference
	var contexts []bool // of each open bracket: whether names in it are the root's
	root := true
	last := byte(0) // last byte that is no white space
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '"' || c == '\'' || c == '`':
			i = skipQuoted(src, i)
		case strings.HasPrefix(src[i:], "/*"):
			end := strings.Index(src[i+2:], "*/")
			if end < 0 {
				return found
			}
			i += end + 4
			continue
		case c == '/' && !endsOperand(last):
			i = skipQuoted(src, i) // a regular expression
		case c == '(' || c == '[' || c == '{':
			contexts = append(contexts, root)
			if last == '.' || last == '^' || c != '(' && endsOperand(last) {
				root = false
			}
			i++
		case c == ')' || c == ']' || c == '}':
			if n := len(contexts); n > 0 {
				root, contexts = contexts[n-1], contexts[:n-1]
			}
			i++
		case isNameByte(c) || c == '$':
			end := i + 1
			for end < len(src) && isNameByte(src[end]) {
				end++
			}
			if src[i:end] == "steps" && root && last != '.' {
				if name, after := pathName(src, end); name != "" {
					found = append(found, stepReference{name, len([]rune(src[:i])), after})
					end = after
				}
			}
			i = end
		default:
			i++
		}
		last = src[i-1]
	}
	return found
}

// pathName reads .NAME, ."NAME" or .`NAME`.
func pathName(src string, i int) (name string, end int) {
	rest := strings.TrimLeft(src[i:], " \t\r\n")
	if !strings.HasPrefix(rest, ".") {
		return "", i
	}
	rest = strings.TrimLeft(rest[1:], " \t\r\n")
	start := len(src) - len(rest)
	if rest == "" {
		return "", i
	}
	if rest[0] == '"' || rest[0] == '\'' || rest[0] == '`' {
		end = skipQuoted(src, start)
		return src[start+1 : max(end-1, start+1)], end
	}
	for end = start; end < len(src) && isNameByte(src[end]); end++ {
	}
	return src[start:end], end
}

// skipQuoted is the index after the closing quote of what begins at i.
func skipQuoted(src string, i int) int {
	for j := i + 1; j < len(src); j++ {
		switch src[j] {
		case '\\':
			if src[i] != '`' {
				j++
			}
		case src[i]:
			return j + 1
		}
	}
	return len(src)
}

func endsOperand(c byte) bool {
	return isNameByte(c) || strings.IndexByte(")]}\"'`", c) >= 0 && c != 0
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
