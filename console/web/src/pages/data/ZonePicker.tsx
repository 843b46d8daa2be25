import { ChevronDown } from 'lucide-react'
import { useMemo, useState } from 'react'
import { Button, ComboBox, FieldError, Input, Label, ListBox, ListBoxItem, Popover, Text } from 'react-aria-components'
import { useTranslation } from 'react-i18next'

const mostShown = 60
const plain = (s: string) => s.toLowerCase().replace(/[_/]/g, ' ')
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone

/** A time zone by its name; the search takes parts of it: "berlin", "new york". */
export function ZonePicker({ value, onChange, error }: { value: string; onChange: (zone: string) => void; error?: string | undefined }) {
  const { t } = useTranslation('data')
  const zones = useMemo(() => [...new Set([ownZone(), value, 'UTC', ...Intl.supportedValuesOf('timeZone')])].filter(Boolean), [value])
  const [typed, setTyped] = useState(value)
  const found = useMemo(() => {
    const wanted = plain(typed === value ? '' : typed)
    return zones.filter((z) => plain(z).includes(wanted)).slice(0, mostShown).map((id) => ({ id }))
  }, [zones, typed, value])
  return (
    <ComboBox className="field" items={found} inputValue={typed} onInputChange={setTyped} selectedKey={value} isInvalid={Boolean(error)} allowsEmptyCollection menuTrigger="focus"
      onSelectionChange={(key) => {
        if (key === null) return
        onChange(String(key))
        setTyped(String(key))
      }}>
      <Label>{t('zone.label')}</Label>
      <div className="input-group">
        <Input className="input" />
        <Button className="button quiet small icon" aria-label={t('zone.open')}><ChevronDown aria-hidden="true" /></Button>
      </div>
      <Text slot="description" className="hint">{t('zone.hint')}</Text>
      <FieldError className="error">{error}</FieldError>
      <Popover className="popover">
        <ListBox<{ id: string }> className="listbox" renderEmptyState={() => <div className="option soft">{t('zone.none')}</div>}>
          {({ id }) => <ListBoxItem id={id} textValue={id} className="option">{id.replaceAll('_', ' ')}</ListBoxItem>}
        </ListBox>
      </Popover>
    </ComboBox>
  )
}
