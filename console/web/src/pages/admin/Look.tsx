import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useState, type FormEvent } from 'react'
import { FileTrigger } from 'react-aria-components'
import { useTranslation } from 'react-i18next'
import { apiError, fieldError } from '../../api/explain'
import { useAdmin, useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure, Loaded } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Card } from '../../ui/Page'
import { toast } from '../../ui/toast'

const types = ['image/png', 'image/jpeg', 'image/webp', 'image/svg+xml']
const most = 64 * 1024

/** Colour and logo of an app's pages. */
export function Look({ id }: { id: string }) {
  const { t } = useTranslation('admin')
  const api = useApi()
  const entrance = useQuery({ queryKey: ['entrance', id], queryFn: ({ signal }) => api.entrance.get(id, { signal }) })
  return <Card title={t('app.look')}><Loaded query={entrance} lines={2}>{({ data }) => <Form key={JSON.stringify(data.brand)} id={id} brand={data.brand} />}</Loaded></Card>
}

function Form({ id, brand }: { id: string; brand: schemas.Brand }) {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const queries = useQueryClient()
  const [color, setColor] = useState(brand.color ?? '')
  const [logo, setLogo] = useState(brand.logo ?? null)
  const [refused, setRefused] = useState('')
  const save = useMutation({
    mutationFn: () => admin.apps.setBrand(id, { color: color || null, logo }),
    onSuccess: async () => {
      toast(t('app.lookSaved'))
      await queries.invalidateQueries({ queryKey: ['entrance', id] })
    },
  })
  const take = (file: File) => {
    setRefused('')
    if (!types.includes(file.type)) return setRefused(t('app.wrongType', { name: file.name }))
    if (file.size > most) return setRefused(t('app.tooLarge', { name: file.name }))
    const reader = new FileReader()
    reader.onload = () => setLogo(String(reader.result))
    reader.readAsDataURL(file)
  }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate()
  }
  const error = refused || fieldError(save.error, 'logo')
  return (
    <form onSubmit={submit} className="stack">
      {save.error && !apiError(save.error)?.details?.length && <Failure error={save.error} />}
      <TextField label={t('app.color')} hint={t('app.colorHint')} value={color} onChange={setColor} placeholder="#a83f17" error={fieldError(save.error, 'color')} />
      <div className="field">
        <span className="label">{t('app.logo')}</span>
        <div className="row">
          {logo && <img src={logo} alt={t('app.logo')} style={{ height: '2.4rem', maxWidth: '10rem' }} />}
          <FileTrigger acceptedFileTypes={types} onSelect={(files) => files?.[0] && take(files[0])}><Button>{t('common:chooseFile')}</Button></FileTrigger>
          {logo && <Button look="quiet" onPress={() => setLogo(null)}>{t('app.noLogo')}</Button>}
        </div>
        <span className="hint">{t('app.logoHint')}</span>
        {error && <span className="error" role="alert">{error}</span>}
      </div>
      <div><Button type="submit" busy={save.isPending}>{t('common:save')}</Button></div>
    </form>
  )
}
