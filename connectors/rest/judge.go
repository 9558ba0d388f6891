package rest

import (
	"time"

	"sluice/connectors"
)

// RateLimited is an error that is tried again when the service will take requests again, whatever status it came with.
// wait is cut to 24 h.
func RateLimited(failed *connectors.Error, wait time.Duration) *connectors.Error {
	e := *failed
	e.Kind, e.Retry = connectors.KindHTTP, connectors.RetryByPolicy
	e.HTTPStatus = 429 // policies name the limit by this status
	e.RetryAfter = min(wait, 24*time.Hour)
	return &e
}

// Refused is an error with the service's own words for what is wrong with the request, which is not tried again.
func Refused(failed *connectors.Error, reason string) *connectors.Error {
	e := *failed
	e.Retry = connectors.RetryNever
	e.Message = reason
	return &e
}
