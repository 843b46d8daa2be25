import { useTranslation } from 'react-i18next'
import { Checkbox } from '../../ui/Field'

interface EventChoiceProps {
  known: readonly string[]
  /** null: all, also those to come. */
  value: string[] | null
  onChange: (events: string[] | null) => void
}

/** Which events are told. */
export function EventChoice({ known, value, onChange }: EventChoiceProps) {
  const { t } = useTranslation('data')
  return (
    <fieldset className="events">
      <legend className="label">{t('events.legend')}</legend>
      <Checkbox value={value === null} onChange={(all) => onChange(all ? null : [...known])}>{t('events.all')}</Checkbox>
      {value !== null && known.map((event) => (
        <Checkbox key={event} value={value.includes(event)} onChange={(on) => onChange(known.filter((e) => (e === event ? on : value.includes(e))))}>
          {t(`events.names.${event.replace('.', '_')}`, { defaultValue: event })}
        </Checkbox>
      ))}
    </fieldset>
  )
}
