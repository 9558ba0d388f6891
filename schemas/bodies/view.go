package bodies

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"unicode/utf8"
)

// Object is a JSON object that a view is made of.
type Object interface {
	Set(name string, value any)
	Get(name string) (value any, ok bool)
}

// Maker makes the values of a view: those of whoever looks at it.
type Maker struct {
	Object func() Object
	JSON   func(text []byte) (any, error) // of a JSON text
}

// errNoView says that there is none: a file.
var errNoView = errors.New("a file has no view")

// View is the body as values: JSON as it is with the digits of its numbers,
// lines of JSON as an array, XML as readXML says, a form and the fields of a
// multipart body as an object, text as a string. No body is null. The error of
// a body that Check accepts is of the kind File alone.
//
// Of a multipart body the contents of the files may be left out.
func (t Type) View(body []byte, limits Limits, make Maker) (any, error) {
	if len(body) == 0 {
		return nil, nil
	}
	e, _ := charset(t.charset)
	switch t.Kind {
	case Text:
		return decoded(body, e), nil
	case Form:
		return formFields(body, e, make), nil
	case JSON, Lines:
		if e != nil {
			body = []byte(decoded(body, e))
		}
		if t.Kind == JSON {
			return make.JSON(body)
		}
		list := []any{}
		err := eachLine(body, limits, func(text []byte) error {
			v, err := make.JSON(text)
			list = append(list, v)
			return err
		})
		return list, err
	case XML:
		v, fault, err := readXML(t.text(bytes.NewReader(body)), t.charset != "", limits, &make)
		if fault != nil {
			err = fault
		}
		return v, err
	case Multipart:
		return t.fields(body, make)
	case Unknown:
		if fault, _ := checkJSON(body, nil, JSON, limits); fault == nil {
			return make.JSON(body)
		}
		if utf8.Valid(body) {
			return string(body), nil
		}
	}
	return nil, errNoView
}

// fields are the fields of a multipart body.
func (t Type) fields(body []byte, make Maker) (any, error) {
	var fields []field
	fault, err := t.ReadParts(bytes.NewReader(body), func(p Part, content io.Reader) error {
		if p.IsFile {
			return nil
		}
		text, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		of, _ := TypeOf(p.ContentType)
		e, _ := charset(of.charset)
		fields = append(fields, field{p.Field, decoded(text, e)})
		return nil
	})
	if fault != nil {
		err = fault
	}
	if err != nil {
		return nil, err
	}
	return nested(fields, make), nil
}

// Raw is the body unparsed: as text where it is UTF-8, else in base64.
func Raw(body []byte) any {
	switch {
	case len(body) == 0:
		return nil
	case utf8.Valid(body):
		return string(body)
	}
	return base64.StdEncoding.EncodeToString(body)
}
