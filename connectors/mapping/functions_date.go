package mapping

func now(f *frame, args []any) (any, *Error)                  { return nil, giveUp }
func millis(f *frame, _ []any) (any, *Error)                  { return f.ev.millis(), nil }
func toMillis(f *frame, args []any) (any, *Error)             { return nil, giveUp }
func fromMillis(f *frame, args []any) (any, *Error)           { return nil, giveUp }
func formatInteger(f *frame, args []any) (any, *Error)        { return nil, giveUp }
func parseInteger(f *frame, args []any) (any, *Error)         { return nil, giveUp }
func formatNumberFunction(f *frame, args []any) (any, *Error) { return nil, giveUp }
