package rackbeat

import (
	"errors"
	"net/http"

	"lagerd/rest"
)

// HTTP returns an http.Client on the client's own transport, to test requests that send
// never makes.
func (c *Client) HTTP() *http.Client { return &http.Client{Transport: c.getter.Transport()} }

// Decoders for fuzzing and for hostile answers: each decodes an answer's body.

func answered(body []byte) answer {
	return answer{Content: rest.Content{Header: http.Header{}, Body: body}}
}

func DecodeItems(body []byte) (Page[Item], error) {
	return decodePage(answered(body), 1, listOf[Item]{key: "items", entry: readItem, named: itemNamed, paged: true, counted: true})
}

func DecodeItem(body []byte) (Item, error) { return decodeItem(answered(body)) }

func DecodeSelf(body []byte) (Self, error) { return decodeSelf(answered(body)) }

func DecodeItemPlaces(body []byte) ([]PlaceStock, error) { return decodeItemPlaces(answered(body)) }

func DecodeStockByPlace(body []byte) (Page[StockByPlace], error) {
	var count placesRead
	return decodePage(answered(body), 1, listOf[StockByPlace]{key: "items", entry: count.stockByPlace, named: stockNamed, paged: true})
}

func DecodePlaces(body []byte) ([]Place, error) {
	var count placesRead
	page, err := decodePage(answered(body), 1, listOf[rawPlace]{key: "locations", entry: count.place, named: placeNamed})
	if err == nil && len(page.Bad) > 0 {
		err = page.Bad[0].Err
	}
	if err != nil {
		return nil, err
	}
	return nest(page.Items)
}

func DecodeWebhooks(body []byte) (Page[Webhook], error) {
	return decodePage(answered(body), 1, listOf[Webhook]{key: "webhooks", entry: readWebhook})
}

// IsFieldError reports whether an error names a field.
func IsFieldError(err error) bool {
	f, ok := errors.AsType[*rest.FieldError](err)
	return ok && f.Path != "" && f.Want != "" && f.Got != ""
}

// IsLost reports whether an error says that there was no usable answer.
func IsLost(err error) bool {
	_, ok := errors.AsType[*rest.LostError](err)
	return ok
}
