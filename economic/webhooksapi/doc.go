// Package webhooksapi is the client for e-conomic's webhooks API: which webhooks this app has set up
// for an agreement, and setting them up. It is the only place where lagerd writes at e-conomic.
//
//	Agreement.EventTypes, Webhooks          read
//	Agreement.Create, Replace               write, if Access.MayWrite; else ErrNotAllowed
//	      │
//	      ▼
//	Budget: the agreement's calls, with those of its REST API
//	      │
//	      ▼
//	guard: one host; GET, and POST and PUT of /webhooks alone
//
// What the API knows and does not know (https://apis.e-conomic.com/webhooksapi/v1.0.0):
//
//   - It lists the webhooks that this same app has made. What is absent may have been entered by a
//     person, or by another app.
//   - An agreement has one webhook for an event type. Creating a second one fails with CodeTaken,
//     whoever has made the first.
//   - Replace puts the whole object, with the version that was read: ErrConflict if somebody has
//     changed it since. So a Webhook keeps every field it was read with, known or not.
//   - Nulls are refused, and false is left out.
//   - It is for apps with the role SuperUser alone; for others each call is KindForbidden.
//
// No error contains a token, a code or the address of a webhook. It retries nothing, deletes
// nothing, and knows nothing of shops.
package webhooksapi
