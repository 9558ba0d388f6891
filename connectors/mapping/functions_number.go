package mapping

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

func sum(_ *frame, args []any) (any, *Error) {
	items, ok := elements(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	total := 0.0
	for _, x := range items {
		n, _ := numeric(x)
		total += n
	}
	return total, nil
}

func countOf(_ *frame, args []any) (any, *Error) {
	items, _ := elements(argument(args, 0))
	return float64(len(items)), nil
}

// extreme returns the item itself, so that it keeps its digits.
func extreme(beats func(a, b float64) bool) nativeFunction {
	return func(_ *frame, args []any) (any, *Error) {
		items, _ := elements(argument(args, 0))
		if len(items) == 0 {
			return undefined, nil
		}
		best := items[0]
		n, _ := numeric(best)
		for _, x := range items[1:] {
			m, _ := numeric(x)
			if math.IsNaN(m) {
				return m, nil
			}
			if beats(m, n) {
				best, n = x, m
			}
		}
		return best, nil
	}
}

func average(f *frame, args []any) (any, *Error) {
	items, _ := elements(argument(args, 0))
	if len(items) == 0 {
		return undefined, nil
	}
	total, err := sum(f, args)
	if err != nil {
		return nil, err
	}
	return total.(float64) / float64(len(items)), nil
}

var (
	decimalText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?$`)
	prefixText  = regexp.MustCompile(`^(?:0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+)$`)
	// looseText is what the official test for prefixes also lets through.
	looseText = regexp.MustCompile(`^(0[xX][0-9A-Fa-f]+)|(0[oO][0-7]+)|(0[bB][0-1]+)$`)
)

func toNumber(_ *frame, args []any) (any, *Error) {
	switch v := argument(args, 0).(type) {
	case *undefinedValue:
		return undefined, nil
	case float64, Number:
		return v, nil
	case bool:
		if v {
			return 1.0, nil
		}
		return 0.0, nil
	case string:
		if n, ok := parseSmallInt(v); ok && len(v) <= 15 {
			return n, nil
		}
		if decimalText.MatchString(v) {
			if n, err := strconv.ParseFloat(v, 64); err == nil {
				return n, nil
			}
		} else if prefixText.MatchString(v) && len(v) < 12 {
			n, _ := strconv.ParseInt(v, 0, 64)
			return float64(n), nil
		} else if looseText.MatchString(v) {
			return nil, giveUp
		}
		return nil, &Error{Code: "D3030", value: v}
	}
	return nil, &Error{Code: "D3030", value: argument(args, 0)}
}

func onNumber(compute func(float64) float64) nativeFunction {
	return func(_ *frame, args []any) (any, *Error) {
		v := argument(args, 0)
		n, ok := numeric(v)
		if !ok {
			return undefined, nil
		}
		return compute(n), nil
	}
}

func floor(n float64) float64 { return math.Floor(n) }
func ceil(n float64) float64  { return math.Ceil(n) }
func abs(n float64) float64   { return math.Abs(n) }

// shifted moves the decimal point of n by its text, which is exact.
func shifted(n, places float64) float64 {
	mantissa, exponent, _ := strings.Cut(formatNumber(n), "e")
	e, _ := strconv.ParseFloat(exponent, 64)
	r, err := strconv.ParseFloat(mantissa+"e"+formatNumber(e+places), 64)
	if err != nil && !math.IsInf(r, 0) {
		return math.NaN()
	}
	return r
}

// round is the official round, half to even.
func round(n, places float64) float64 {
	if places != 0 {
		n = shifted(n, places)
	}
	r := math.Floor(n + 0.5)
	if math.Abs(n) >= 1<<52 {
		r = n
	} else if n == 0.49999999999999994 {
		r = 0
	}
	if diff := r - n; math.Abs(diff) == 0.5 && math.Abs(math.Mod(r, 2)) == 1 {
		r--
	}
	if places != 0 {
		r = shifted(r, -places)
	}
	if r == 0 {
		return 0
	}
	return r
}

func roundFunction(_ *frame, args []any) (any, *Error) {
	n, ok := numeric(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	places, _ := numeric(argument(args, 1))
	if math.IsInf(n, 0) || math.IsNaN(n) || places != math.Trunc(places) || math.Abs(places) > 400 {
		return nil, giveUp
	}
	return round(n, places), nil
}

func squareRoot(_ *frame, args []any) (any, *Error) {
	n, ok := numeric(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	if n < 0 {
		return nil, &Error{Code: "D3060", index: 1, value: n}
	}
	return math.Sqrt(n), nil
}

func power(_ *frame, args []any) (any, *Error) {
	n, ok := numeric(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	e, ok := numeric(argument(args, 1))
	if !ok {
		e = math.NaN()
	}
	r := math.Pow(n, e)
	if math.IsInf(r, 0) || math.IsNaN(r) {
		return nil, &Error{Code: "D3061", index: 1, value: n, value2: argument(args, 1)}
	}
	return r, nil
}

func random(f *frame, _ []any) (any, *Error) { return f.nextRandom(), nil }

func formatBase(_ *frame, args []any) (any, *Error) {
	n, ok := numeric(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	n = round(n, 0)
	radix := 10.0
	if r, ok := numeric(argument(args, 1)); ok {
		radix = round(r, 0)
	}
	if radix < 2 || radix > 36 {
		return nil, &Error{Code: "D3100", value: radix}
	}
	if math.Abs(n) >= 1<<53 || math.IsNaN(n) || math.IsNaN(radix) {
		return nil, giveUp
	}
	return strconv.FormatInt(int64(n), int(radix)), nil
}
