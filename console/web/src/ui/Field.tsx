import { Check, ChevronDown, Eye, EyeOff } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import {
  Button as AriaButton, Checkbox as AriaCheckbox, FieldError, Input, Label, ListBox, ListBoxItem, Popover, Select as AriaSelect, SelectValue,
  Switch as AriaSwitch, Text, TextArea as AriaTextArea, TextField as AriaTextField, type Key, type TextFieldProps as AriaTextFieldProps,
} from 'react-aria-components'
import { useTranslation } from 'react-i18next'

interface Common {
  label: ReactNode
  hint?: ReactNode
  /** What is wrong with the value, from the server or from us. */
  error?: string | undefined
}

export interface TextFieldProps extends Omit<AriaTextFieldProps, 'className' | 'children' | 'isInvalid'>, Common {
  placeholder?: string
  /** More than one line. */
  lines?: number
}

export function TextField({ label, hint, error, placeholder, lines, type, ...rest }: TextFieldProps) {
  const [shown, setShown] = useState(false)
  const { t } = useTranslation()
  const secret = type === 'password'
  return (
    <AriaTextField {...rest} type={secret && shown ? 'text' : (type ?? 'text')} className="field" isInvalid={Boolean(error)} validationBehavior="aria">
      <Label>{label}</Label>
      {lines
        ? <AriaTextArea className="input" rows={lines} placeholder={placeholder} spellCheck={false} />
        : secret
          ? (
            <div className="input-group">
              <Input className="input" placeholder={placeholder} />
              <AriaButton className="button quiet small icon" aria-label={shown ? t('hidePassword') : t('showPassword')} onPress={() => setShown(!shown)}>
                {shown ? <EyeOff aria-hidden="true" /> : <Eye aria-hidden="true" />}
              </AriaButton>
            </div>
          )
          : <Input className="input" placeholder={placeholder} />}
      {hint && <Text slot="description" className="hint">{hint}</Text>}
      <FieldError className="error">{error}</FieldError>
    </AriaTextField>
  )
}

export interface Choice<T extends string> {
  id: T
  label: string
  hint?: string
  disabled?: boolean
}

export interface SelectProps<T extends string> extends Common {
  choices: readonly Choice<T>[]
  value: T | null
  onChange: (value: T) => void
  placeholder?: string
  isDisabled?: boolean
  name?: string
}

export function Select<T extends string>({ label, hint, error, choices, value, onChange, placeholder, ...rest }: SelectProps<T>) {
  return (
    <AriaSelect {...rest} className="field" isInvalid={Boolean(error)} selectedKey={value} placeholder={placeholder ?? ' '}
      onSelectionChange={(key: Key | null) => key !== null && onChange(key as T)}>
      <Label className="label">{label}</Label>
      <AriaButton className="input select-button">
        <SelectValue />
        <ChevronDown aria-hidden="true" />
      </AriaButton>
      {hint && <Text slot="description" className="hint">{hint}</Text>}
      <FieldError className="error">{error}</FieldError>
      <Popover className="popover">
        <ListBox className="listbox" items={choices}>
          {(c) => (
            <ListBoxItem id={c.id} textValue={c.label} isDisabled={c.disabled ?? false} className="option">
              <span>{c.label}{c.hint && <span className="option-hint">{c.hint}</span>}</span>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  )
}

interface Toggle {
  children: ReactNode
  hint?: ReactNode
  value: boolean
  onChange: (value: boolean) => void
  isDisabled?: boolean
}

export function Switch({ children, hint, value, onChange, isDisabled = false }: Toggle) {
  return (
    <AriaSwitch className="switch" isSelected={value} onChange={onChange} isDisabled={isDisabled}>
      <span className="track" aria-hidden="true" />
      <span>{children}{hint && <span className="option-hint">{hint}</span>}</span>
    </AriaSwitch>
  )
}

export function Checkbox({ children, hint, value, onChange, isDisabled = false }: Toggle) {
  return (
    <AriaCheckbox className="check" isSelected={value} onChange={onChange} isDisabled={isDisabled}>
      <span className="box" aria-hidden="true"><Check size={14} /></span>
      <span>{children}{hint && <span className="option-hint">{hint}</span>}</span>
    </AriaCheckbox>
  )
}
