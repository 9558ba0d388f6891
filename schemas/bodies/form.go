package bodies

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
)

// readForm checks a form: every % is followed by two hexadecimal digits.
func (t Type) readForm(r io.Reader, limits Limits, _ *Maker) (*Fault, error) {
	var at place
	digits, pairs, first := 0, 1, -1 // first: of its bytes
	buffer := make([]byte, 4<<10)
	escape, carried := 0, place{} // where the last one began: here, or in a piece before
	broken := func(text []byte) *Fault {
		what := "% is not followed by two hexadecimal digits"
		if first == '{' || first == '[' {
			what += "; if this is JSON, send it with Content-Type: application/json"
		}
		if escape >= 0 {
			carried = at.after(text[:escape])
		}
		return carried.fault(Form, what)
	}
	for {
		n, err := r.Read(buffer)
		text := buffer[:n]
		if first < 0 && n > 0 {
			first = int(text[0])
		}
		for i, b := range text {
			switch {
			case digits > 0:
				if !isHex(b) {
					return broken(text), nil
				}
				digits--
			case b == '%':
				digits, escape = 2, i
			case b == '&':
				if pairs++; pairs > limits.Values {
					return at.after(text[:i]).fault(Form, fmt.Sprintf("more than %d fields", limits.Values)), nil
				}
			}
		}
		if err == io.EOF {
			if digits > 0 {
				return broken(text), nil
			}
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if digits > 0 && escape >= 0 {
			carried, escape = at.after(text[:escape]), -1
		}
		at = at.after(text)
	}
}

// field is a name with a value.
type field struct{ name, value string }

// FormFields is the view of a form, or of a query: an object in the order of
// the form. a[b]=1 nests, a[]=1 and a repeated a make arrays. A broken escape
// stays as it is.
func FormFields(form []byte, make Maker) any { return formFields(form, nil, make) }

func formFields(form []byte, e encoding.Encoding, make Maker) any {
	var fields []field
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		if len(pair) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(pair, []byte("="))
		fields = append(fields, field{decoded(unescape(name), e), decoded(unescape(value), e)})
	}
	return nested(fields, make)
}

// unescape is url.QueryUnescape that leaves what is broken.
func unescape(text []byte) []byte {
	if bytes.IndexByte(text, '%') < 0 && bytes.IndexByte(text, '+') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '+':
			out = append(out, ' ')
		case text[i] == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			out = append(out, hex(text[i+1])<<4|hex(text[i+2]))
			i += 2
		default:
			out = append(out, text[i])
		}
	}
	return out
}

func hex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0xf + 9
}

// nested makes an object of fields.
func nested(fields []field, make Maker) any {
	var names []string
	values := map[string][]any{}
	for _, f := range fields {
		if values[f.name] == nil {
			names = append(names, f.name)
		}
		values[f.name] = append(values[f.name], f.value)
	}
	root := make.Object()
	for _, name := range names {
		all := values[name]
		path := fieldPath(name)
		list := path[len(path)-1] == ""
		if list && len(path) > 1 {
			path = path[:len(path)-1]
		}
		v := all[0]
		if list || len(all) > 1 {
			v = all
		}
		put(root, path, v, make)
	}
	return root
}

// fieldPath splits a[b][c] into a, b, c. Brackets that do not match, or more
// than maxNesting of them, are part of the name.
func fieldPath(name string) []string {
	const maxNesting = 16
	open := strings.IndexByte(name, '[')
	if open <= 0 || !strings.HasSuffix(name, "]") {
		return []string{name}
	}
	rest := name[open+1 : len(name)-1]
	parts := strings.Split(rest, "][")
	if len(parts) > maxNesting || strings.ContainsAny(strings.Join(parts, ""), "[]") {
		return []string{name}
	}
	return append([]string{name[:open]}, parts...)
}

func put(o Object, path []string, v any, make Maker) {
	for _, key := range path[:len(path)-1] {
		next, _ := o.Get(key)
		child, ok := next.(Object)
		if !ok {
			child = make.Object()
			if next != nil {
				child.Set("", next) // a=1&a[b]=2: nothing is lost
			}
			o.Set(key, child)
		}
		o = child
	}
	last := path[len(path)-1]
	if old, ok := o.Get(last); ok {
		if child, ok := old.(Object); ok {
			child.Set("", v)
			return
		}
		add(o, last, v) // a=1&a[]=2
		return
	}
	o.Set(last, v)
}
