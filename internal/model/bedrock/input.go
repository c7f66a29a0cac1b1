package bedrock

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	smithydocument "github.com/aws/smithy-go/document"

	"a2alambda/internal/model"
)

var images = map[string]types.ImageFormat{
	"image/png": types.ImageFormatPng, "image/jpeg": types.ImageFormatJpeg,
	"image/gif": types.ImageFormatGif, "image/webp": types.ImageFormatWebp,
}

var documents = map[string]types.DocumentFormat{
	"application/pdf":          types.DocumentFormatPdf,
	"application/msword":       types.DocumentFormatDoc,
	"application/vnd.ms-excel": types.DocumentFormatXls,
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document": types.DocumentFormatDocx,
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":       types.DocumentFormatXlsx,
}

// Reads implements [model.Model]. Not each model on Bedrock takes all of them: one that does not
// refuses the conversation.
func (m *Model) Reads(mediaType string) bool {
	return images[mediaType] != "" || documents[mediaType] != ""
}

func (m *Model) input(r *model.Request) (*bedrockruntime.ConverseStreamInput, error) {
	tokens := int32(min(r.MaxTokens, 1<<30))
	input := &bedrockruntime.ConverseStreamInput{ModelId: &m.ID, InferenceConfig: &types.InferenceConfiguration{MaxTokens: &tokens}}
	if r.System != "" {
		input.System = []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: r.System}}
	}
	if m.Guardrail != "" {
		input.GuardrailConfig = &types.GuardrailStreamConfiguration{GuardrailIdentifier: &m.Guardrail, GuardrailVersion: &m.GuardrailVersion}
	}
	if len(r.Tools) > 0 {
		input.ToolConfig = new(types.ToolConfiguration)
	}
	for _, t := range r.Tools {
		schema, err := lazy(t.Schema)
		if err != nil {
			return nil, fmt.Errorf("bedrock: the schema of %s: %w", t.Name, err)
		}
		spec := types.ToolSpecification{Name: &t.Name, InputSchema: &types.ToolInputSchemaMemberJson{Value: schema}}
		if t.Description != "" { // Bedrock refuses an empty one
			spec.Description = &t.Description
		}
		input.ToolConfig.Tools = append(input.ToolConfig.Tools, &types.ToolMemberToolSpec{Value: spec})
	}
	files := 0
	for _, message := range r.Messages {
		var content []types.ContentBlock
		for _, p := range message.Parts {
			block, err := block(p, &files)
			if err != nil {
				return nil, err
			}
			content = append(content, block)
		}
		input.Messages = append(input.Messages, types.Message{Role: types.ConversationRole(message.Role), Content: content})
	}
	return input, nil
}

// block returns a part. Documents are numbered: their names must differ, and what a user calls them
// is not to be taken for an instruction.
func block(p model.Part, documentsBefore *int) (types.ContentBlock, error) {
	switch {
	case p.File != nil && images[p.File.MediaType] != "":
		return &types.ContentBlockMemberImage{Value: image(p.File)}, nil
	case p.File != nil:
		*documentsBefore++
		name := fmt.Sprintf("Document %d", *documentsBefore)
		return &types.ContentBlockMemberDocument{Value: types.DocumentBlock{
			Name: &name, Format: documents[p.File.MediaType], Source: &types.DocumentSourceMemberBytes{Value: p.File.Bytes},
		}}, nil
	case p.Call != nil:
		args, err := lazy(p.Call.Args)
		if err != nil {
			return nil, fmt.Errorf("bedrock: the arguments of a call: %w", err)
		}
		return &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: &p.Call.ID, Name: &p.Call.Name, Input: args}}, nil
	case p.Result != nil:
		content := []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: p.Result.Text}}
		for _, f := range p.Result.Images {
			if images[f.MediaType] != "" {
				content = append(content, &types.ToolResultContentBlockMemberImage{Value: image(&f)})
			}
		}
		result := types.ToolResultBlock{ToolUseId: &p.Result.ID, Content: content}
		if p.Result.Failed { // not all models take a status
			result.Status = types.ToolResultStatusError
		}
		return &types.ContentBlockMemberToolResult{Value: result}, nil
	}
	return &types.ContentBlockMemberText{Value: p.Text}, nil
}

func image(f *model.File) types.ImageBlock {
	return types.ImageBlock{Format: images[f.MediaType], Source: &types.ImageSourceMemberBytes{Value: f.Bytes}}
}

// lazy returns JSON as a document. Numbers keep their digits.
func lazy(data json.RawMessage) (document.Interface, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return document.NewLazyDocument(numbers(v)), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return smithydocument.Number(v)
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}
