import { defineConfig } from 'daybook'

export default defineConfig({
  tables: {
    'public.invoice': { label: 'number', exclude: ['search_text'] },
    'public.customer': { label: 'name', mask: ['iban'] },
    'public.account': { model: 'User', label: 'email', permissionColumns: ['is_staff'] },
    'public.role': { label: 'name' },
    'public.account_role': { permission: { to: 'account_id', grants: 'role_id' } },
  },
})
