package cli

import (
	"errors"
	"fmt"
)

type rotateCodeCmd struct {
	Shop       string `arg:"" help:"The shop."`
	RetireOld  bool   `help:"Retire the old code, once e-conomic uses the new one." xor:"what"`
	ReplaceNew bool   `help:"Replace the newest code, which was lost before it was entered at e-conomic." xor:"what"`
	Yes        bool   `help:"With --retire-old: even if webhook calls still use the old code."`
}

func (rotateCodeCmd) Help() string {
	return "Without a flag it does what `lagerd shops instructions SHOP --new-code` does."
}

func (cmd rotateCodeCmd) Run(c *call) error {
	if cmd.Yes && !cmd.RetireOld {
		return errors.New("--yes requires --retire-old")
	}
	if !cmd.RetireOld {
		return newCode{shop: cmd.Shop, replaceLost: cmd.ReplaceNew}.run(c)
	}
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	retired, err := s.RetireOldCodes(c.ctx, cmd.Shop, cmd.Yes, now())
	if err != nil {
		return aboutCodes(c.ctx, s, cmd.Shop, err)
	}
	_, err = fmt.Fprintf(c.Stdout, "%d old code(s) of %s retired.\n", retired, cmd.Shop)
	return err
}
