(* How small is sufficiently small: explicit thresholds for e, for squared error and for cross-entropy.
   The teacher moves along th0 + t u, so that the outputs at input x run along a path g x t, with derivatives
   g1 x t and g2 x t.  The alignment <v,u> of the student's step with the teacher's direction is
       align e = sum_x w x <a (g x e) - a (g x 0), c x>,     c x = g1 x 0,
   where a is the link of the imitation loss: the identity for squared error, softmax for cross-entropy.
   Taylor's formula with a lower bound on the second derivative gives, for all 0 <= t <= E,
       t q - t^2/2 D <= align t,
   hence 0 < align t on (0,E] as soon as E < 2 q / D.  Here
     squared error:  q = sum_x w x |c x|^2,  D = sum_x w x M x |c x|  with |g2 x t| <= M x on [0,E]
                     (or N x in place of M x |c x|, with <g2 x t, c x> >= - N x: one side is enough);
     cross-entropy:  q = sum_x w x Var_p(c x), p = softmax (g x 0), and D = sum_x w x N x, where N x bounds
                     - <p'', c x>; this second derivative is
                         <p'', c> = Cov_p(g2, c) + E_p[(g1 - E_p g1)^2 (c - E_p c)],
                     at most R(c) (R(g2) + R(g1)^2) / 4 in size, where R(a) = max a - min a (Popoviciu).
   Everything holds for arbitrary numbers n of outputs and m of inputs. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses Popoviciu.
Open Scope R_scope.

(* the alignment along output paths g, with link a and first derivatives c *)
Definition align (n m : nat) (a : vec -> vec) (w : nat -> R) (g : nat -> R -> vec) (c : nat -> vec)
  (e : R) : R :=
  rsum m (fun x => w x * rsum n (fun i => (a (g x e) i - a (g x 0) i) * c x i)).

(* g1 and g2 are the first and second derivatives of the paths g on [0,E] *)
Definition twice_derivable (n m : nat) (E : R) (g g1 g2 : nat -> R -> vec) : Prop :=
  forall x i t, (x < m)%nat -> (i < n)%nat -> 0 <= t <= E ->
    is_derive (fun s => g x s i) t (g1 x t i) /\ is_derive (fun s => g1 x s i) t (g2 x t i).

(* ---- derivatives of functions of one real variable ---- *)
Lemma D_eq (f : R -> R) (x l l' : R) : is_derive f x l -> l = l' -> is_derive f x l'.
Proof. intros H E. rewrite <- E. exact H. Qed.
Lemma D_const (a x : R) : is_derive (fun _ : R => a) x 0.
Proof. exact (is_derive_const a x). Qed.
Lemma D_id (x : R) : is_derive (fun t : R => t) x 1.
Proof. exact (is_derive_id x). Qed.
Lemma D_plus (f g : R -> R) (x a b : R) :
  is_derive f x a -> is_derive g x b -> is_derive (fun t => f t + g t) x (a + b).
Proof. exact (is_derive_plus f g x a b). Qed.
Lemma D_minus (f g : R -> R) (x a b : R) :
  is_derive f x a -> is_derive g x b -> is_derive (fun t => f t - g t) x (a - b).
Proof. exact (is_derive_minus f g x a b). Qed.
Lemma D_mult (f g : R -> R) (x a b : R) :
  is_derive f x a -> is_derive g x b -> is_derive (fun t => f t * g t) x (a * g x + f x * b).
Proof. intros Hf Hg. exact (is_derive_mult f g x a b Hf Hg Rmult_comm). Qed.
Lemma D_exp (f : R -> R) (x a : R) : is_derive f x a -> is_derive (fun t => exp (f t)) x (a * exp (f x)).
Proof. intros Hf. exact (is_derive_comp exp f x (exp (f x)) a (is_derive_exp (f x)) Hf). Qed.
Lemma D_sum n (f : nat -> R -> R) (d : vec) x : (forall i, (i < n)%nat -> is_derive (f i) x (d i)) ->
  is_derive (fun t => rsum n (fun i => f i t)) x (rsum n d).
Proof.
  induction n as [|n IH]; intros H; simpl.
  - apply D_const.
  - apply D_plus; [apply IH; intros i Hi|]; apply H; lia.
Qed.

(* a function with nonnegative derivative does not decrease *)
Lemma deriv_nonneg_le (f f1 : R -> R) a b : a <= b ->
  (forall t, a <= t <= b -> is_derive f t (f1 t)) -> (forall t, a <= t <= b -> 0 <= f1 t) -> f a <= f b.
Proof.
  intros Hab Hd Hp. destruct (MVT_gen f a b f1) as [z [Hz Ez]].
  - intros t Ht. rewrite Rmin_left, Rmax_right in Ht by lra. apply Hd; lra.
  - intros t Ht. rewrite Rmin_left, Rmax_right in Ht by lra.
    apply continuity_pt_filterlim, (ex_derive_continuous (V := R_NormedModule)). exists (f1 t). apply Hd; lra.
  - rewrite Rmin_left, Rmax_right in Hz by lra. specialize (Hp z Hz). nra.
Qed.

(* Taylor's formula of order two, from below *)
Lemma taylor_lower (phi phi1 phi2 : R -> R) (B E : R) : 0 <= E ->
  (forall t, 0 <= t <= E -> is_derive phi t (phi1 t)) ->
  (forall t, 0 <= t <= E -> is_derive phi1 t (phi2 t)) ->
  (forall t, 0 <= t <= E -> - B <= phi2 t) ->
  E * phi1 0 - E * E / 2 * B <= phi E - phi 0.
Proof.
  intros HE H1 H2 HB.
  assert (A : forall t, 0 <= t <= E -> phi1 0 - B * t <= phi1 t).
  { intros t Ht.
    assert (X : phi1 0 + 0 * B <= phi1 t + t * B); [|lra].
    apply (deriv_nonneg_le (fun s => phi1 s + s * B) (fun s => phi2 s + B)); [lra| |].
    - intros s Hs. apply D_plus; [apply H2; lra|].
      eapply D_eq; [apply D_mult; [apply D_id|apply D_const]|cbv beta; ring].
    - intros s Hs. specialize (HB s ltac:(lra)). lra. }
  assert (X : phi 0 - 0 * phi1 0 + 0 * 0 * (B / 2) <= phi E - E * phi1 0 + E * E * (B / 2)); [|lra].
  apply (deriv_nonneg_le (fun s => phi s - s * phi1 0 + s * s * (B / 2))
           (fun s => phi1 s - phi1 0 + s * B)); [lra| |].
  - intros s Hs. eapply D_eq.
    + apply D_plus; [apply D_minus|].
      * apply H1; lra.
      * apply D_mult; [apply D_id|apply D_const].
      * apply D_mult; [apply D_mult; apply D_id|apply D_const].
    + cbv beta; field.
  - intros s Hs. specialize (A s Hs). lra.
Qed.

(* the same for a weighted sum of functions *)
Lemma taylor_lower_sum m (w : nat -> R) (phi phi1 phi2 : nat -> R -> R) (N : nat -> R) E : 0 <= E ->
  (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x t, (x < m)%nat -> 0 <= t <= E -> is_derive (phi x) t (phi1 x t)) ->
  (forall x t, (x < m)%nat -> 0 <= t <= E -> is_derive (phi1 x) t (phi2 x t)) ->
  (forall x t, (x < m)%nat -> 0 <= t <= E -> - N x <= phi2 x t) ->
  E * rsum m (fun x => w x * phi1 x 0) - E ^ 2 / 2 * rsum m (fun x => w x * N x)
    <= rsum m (fun x => w x * (phi x E - phi x 0)).
Proof.
  intros HE Hw H1 H2 HN. rewrite <- !rsum_scal, <- rsum_minus. apply rsum_le. intros x Hx.
  assert (X : E * phi1 x 0 - E * E / 2 * N x <= phi x E - phi x 0).
  { apply (taylor_lower (phi x) (phi1 x) (phi2 x)); auto. }
  specialize (Hw x Hx). apply (Rmult_le_compat_l (w x)) in X; [|exact Hw]. lra.
Qed.

(* t q - t^2/2 D is positive on (0,E] if E < 2 q / D (no condition if D <= 0) *)
Lemma below_quotient q D E : 0 < q -> (0 < D -> E < 2 * q / D) ->
  forall t, 0 < t <= E -> 0 < t * q - t ^ 2 / 2 * D.
Proof.
  intros HS HE t Ht.
  assert (X : t * D < 2 * q).
  { destruct (Rlt_le_dec 0 D) as [HD|HD].
    - apply Rle_lt_trans with (E * D); [apply Rmult_le_compat_r; lra|].
      apply (Rmult_lt_reg_r (/ D)); [apply Rinv_0_lt_compat; exact HD|].
      specialize (HE HD). unfold Rdiv in HE. rewrite Rmult_assoc, Rinv_r, Rmult_1_r; lra.
    - assert (t * D <= 0); [|lra]. rewrite <- (Rmult_0_r t). apply Rmult_le_compat_l; lra. }
  replace (t * q - t ^ 2 / 2 * D) with (t / 2 * (2 * q - t * D)) by field.
  apply Rmult_lt_0_compat; lra.
Qed.

Lemma align_dot n m a w g c e :
  align n m a w g c e = rsum m (fun x => w x * (dot n (a (g x e)) (c x) - dot n (a (g x 0)) (c x))).
Proof.
  apply rsum_ext. intros x Hx. f_equal. unfold dot. rewrite <- rsum_minus. apply rsum_ext. intros; ring.
Qed.

Lemma D_dot n (g : R -> vec) (g1 c : vec) t :
  (forall i, (i < n)%nat -> is_derive (fun s => g s i) t (g1 i)) ->
  is_derive (fun s => dot n (g s) c) t (dot n g1 c).
Proof.
  intros H. apply (D_sum n (fun i s => g s i * c i) (fun i => g1 i * c i)). intros i Hi.
  eapply D_eq; [apply D_mult; [apply H; exact Hi|apply D_const]|cbv beta; ring].
Qed.

(* ---- squared error ---- *)

(* Squared error, one-sided: N x need only bound - <g2 x t, c x> on [0,E] from above (N x may be negative). *)
Theorem threshold_mse_sharp n m w g g1 g2 N E :
  (forall x, (x < m)%nat -> 0 <= w x) -> twice_derivable n m E g g1 g2 ->
  let c x := g1 x 0 in
  (forall x t, (x < m)%nat -> 0 <= t <= E -> - dot n (g2 x t) (c x) <= N x) ->
  let q := rsum m (fun x => w x * (nrm n (c x)) ^ 2) in
  let D := rsum m (fun x => w x * N x) in
  (forall t, 0 <= t <= E -> t * q - t ^ 2 / 2 * D <= align n m mse_link w g c t) /\
  (0 < q -> (0 < D -> E < 2 * q / D) -> forall t, 0 < t <= E -> 0 < align n m mse_link w g c t).
Proof.
  intros Hw Hg c HN q D.
  assert (A : forall t, 0 <= t <= E -> t * q - t ^ 2 / 2 * D <= align n m mse_link w g c t).
  { intros t Ht. rewrite align_dot.
    assert (HS : q = rsum m (fun x => w x * dot n (g1 x 0) (c x))).
    { apply rsum_ext. intros x Hx. rewrite <- nrm_sqr. unfold c. ring. }
    rewrite HS. unfold D, mse_link.
    apply (taylor_lower_sum m w (fun x s => dot n (g x s) (c x)) (fun x s => dot n (g1 x s) (c x))
             (fun x s => dot n (g2 x s) (c x)) N t); try assumption.
    - lra.
    - intros x s Hx Hs. apply D_dot. intros i Hi. apply Hg; auto; lra.
    - intros x s Hx Hs. apply D_dot. intros i Hi. apply Hg; auto; lra.
    - intros x s Hx Hs. specialize (HN x s Hx ltac:(lra)). lra. }
  split; [exact A|]. intros HS HE t Ht.
  apply Rlt_le_trans with (t * q - t ^ 2 / 2 * D); [apply (below_quotient q D E); assumption|apply A; lra].
Qed.

(* Squared error: the alignment is positive up to 2 q / D, with M x a bound on |g2 x t|. (q > 0 means that
   some input of positive weight has c x <> 0; if D = 0 every E satisfies the condition.) *)
Theorem threshold_mse n m w g g1 g2 M E :
  (forall x, (x < m)%nat -> 0 <= w x) -> twice_derivable n m E g g1 g2 ->
  (forall x t, (x < m)%nat -> 0 <= t <= E -> nrm n (g2 x t) <= M x) ->
  let c x := g1 x 0 in
  let q := rsum m (fun x => w x * (nrm n (c x)) ^ 2) in
  let D := rsum m (fun x => w x * (M x * nrm n (c x))) in
  (forall t, 0 <= t <= E -> t * q - t ^ 2 / 2 * D <= align n m mse_link w g c t) /\
  (0 < q -> (0 < D -> E < 2 * q / D) -> forall t, 0 < t <= E -> 0 < align n m mse_link w g c t).
Proof.
  intros Hw Hg HM c q D.
  apply (threshold_mse_sharp n m w g g1 g2 (fun x => M x * nrm n (g1 x 0)) E); try assumption.
  intros x t Hx Ht. specialize (HM x t Hx Ht).
  pose proof (cauchy_schwarz n (g2 x t) (g1 x 0)) as HC.
  pose proof (nrm_nonneg n (g1 x 0)) as H0.
  pose proof (Rle_abs (- dot n (g2 x t) (g1 x 0))) as H1. rewrite Rabs_Ropp in H1.
  apply (Rmult_le_compat_r (nrm n (g1 x 0))) in HM; [|exact H0]. lra.
Qed.

(* ---- softmax along a path of logits ---- *)

(* d/dt softmax_i = softmax_i (g1_i - mean g1) *)
Lemma D_softmax n (g : R -> vec) (g1 : vec) t i : (i < n)%nat ->
  (forall l, (l < n)%nat -> is_derive (fun s => g s l) t (g1 l)) ->
  is_derive (fun s => softmax n (g s) i) t (softmax n (g t) i * (g1 i - mean n (softmax n (g t)) g1)).
Proof.
  intros Hi H. pose proof (sumexp_pos n (g t) ltac:(lia)) as HS.
  assert (E : mean n (softmax n (g t)) g1 = rsum n (fun l => g1 l * exp (g t l)) / sumexp n (g t)).
  { unfold mean, softmax, Rdiv. rewrite <- rsum_scal_r. apply rsum_ext. intros; ring. }
  assert (DS : is_derive (fun s => sumexp n (g s)) t (rsum n (fun l => g1 l * exp (g t l)))).
  { apply (D_sum n (fun l s => exp (g s l)) (fun l => g1 l * exp (g t l))). intros l Hl. apply D_exp. auto. }
  rewrite E. unfold softmax. eapply D_eq.
  - apply (is_derive_div (fun s => exp (g s i)) (fun s => sumexp n (g s))); [apply D_exp, H, Hi|exact DS|lra].
  - cbv beta. field. lra.
Qed.

(* first derivative of <softmax g, c> *)
Lemma softmax_path_D1 n (g : R -> vec) (g1 c : vec) t : (0 < n)%nat ->
  (forall i, (i < n)%nat -> is_derive (fun s => g s i) t (g1 i)) ->
  is_derive (fun s => dot n (softmax n (g s)) c) t (covariance n (softmax n (g t)) g1 c).
Proof.
  intros Hn H. pose proof (softmax_sum n (g t) Hn) as H1. eapply D_eq.
  - apply (D_dot n (fun s => softmax n (g s))). intros i Hi. apply (D_softmax n g g1); assumption.
  - rewrite (covariance_product n _ g1 c H1). unfold dot, mean. rewrite <- rsum_scal, <- rsum_minus.
    apply rsum_ext. intros; ring.
Qed.

(* second derivative of <softmax g, c> *)
Lemma softmax_path_D2 n (g g1 : R -> vec) (g2 c : vec) t : (0 < n)%nat ->
  (forall i, (i < n)%nat -> is_derive (fun s => g s i) t (g1 t i)) ->
  (forall i, (i < n)%nat -> is_derive (fun s => g1 s i) t (g2 i)) ->
  is_derive (fun s => covariance n (softmax n (g s)) (g1 s) c) t
    (covariance n (softmax n (g t)) g2 c + third_moment n (softmax n (g t)) (g1 t) c).
Proof.
  intros Hn H1 H2. set (p := fun s => softmax n (g s)).
  change (is_derive (fun s => covariance n (p s) (g1 s) c) t
    (covariance n (p t) g2 c + third_moment n (p t) (g1 t) c)).
  assert (Hs : forall s, rsum n (p s) = 1) by (intros s; apply softmax_sum, Hn).
  assert (Dp : forall i, (i < n)%nat ->
      is_derive (fun s => p s i) t (p t i * (g1 t i - mean n (p t) (g1 t)))).
  { intros i Hi. apply (D_softmax n g (g1 t)); assumption. }
  (* the mean of g1, and the mean of any product a b of a moving a and a fixed b *)
  assert (Dm : forall b : vec, is_derive (fun s => mean n (p s) (fun i => g1 s i * b i)) t
      (mean n (p t) (fun i => (g1 t i - mean n (p t) (g1 t)) * (g1 t i * b i) + g2 i * b i))).
  { intros b. apply (D_sum n (fun i s => p s i * (g1 s i * b i))). intros i Hi. eapply D_eq.
    - apply D_mult; [apply Dp, Hi|]. apply D_mult; [apply H2, Hi|apply D_const].
    - cbv beta. ring. }
  assert (Dc : is_derive (fun s => mean n (p s) c) t
      (mean n (p t) (fun i => (g1 t i - mean n (p t) (g1 t)) * c i))).
  { apply (D_sum n (fun i s => p s i * c i)). intros i Hi.
    eapply D_eq; [apply D_mult; [apply Dp, Hi|apply D_const]|cbv beta; ring]. }
  apply (is_derive_ext (fun s => mean n (p s) (fun i => g1 s i * c i)
           - mean n (p s) (fun i => g1 s i * 1) * mean n (p s) c)).
  { intros s. rewrite (covariance_product n (p s) (g1 s) c (Hs s)).
    rewrite (mean_ext n (p s) (fun i => g1 s i * 1) (g1 s)) by (intros; ring). reflexivity. }
  eapply D_eq; [apply D_minus; [apply Dm|apply D_mult; [apply Dm|apply Dc]]|].
  cbv beta. set (r := p t). set (b := g1 t). set (mb := mean n r b). set (mc := mean n r c).
  rewrite (third_moment_covariance n r b c (Hs t)), !(covariance_product n r _ c (Hs t)).
  fold mb. fold mc.
  rewrite (mean_ext n r (fun i => (b i - mb) * (b i * c i) + g2 i * c i)
             (fun i => (b i - mb) ^ 2 * c i + mb * ((b i - mb) * c i) + g2 i * c i)) by (intros; ring).
  rewrite (mean_ext n r (fun i => (b i - mb) * (b i * 1) + g2 i * 1)
             (fun i => (b i - mb) ^ 2 + mb * (b i - mb) + g2 i)) by (intros; ring).
  rewrite (mean_ext n r (fun i => b i * 1) b) by (intros; ring). fold mb.
  rewrite !mean_plus, !mean_scal, mean_minus, (mean_const_weights n r mb (Hs t)). fold mb. ring.
Qed.

(* With p = softmax g:  <p, c>'' = Cov_p(g'', c) + E_p[(g' - E_p g')^2 (c - E_p c)],
   for any number n of logits. (Hypotheses: g is differentiable around t, and its derivative g1 at t.) *)
Theorem softmax_path_second_derivative n (g g1 : R -> vec) (g2 c : vec) t : (0 < n)%nat ->
  locally t (fun s => forall i, (i < n)%nat -> is_derive (fun r => g r i) s (g1 s i)) ->
  (forall i, (i < n)%nat -> is_derive (fun s => g1 s i) t (g2 i)) ->
  is_derive_n (fun s => dot n (softmax n (g s)) c) 2 t
    (covariance n (softmax n (g t)) g2 c + third_moment n (softmax n (g t)) (g1 t) c).
Proof.
  intros Hn H1 H2. simpl.
  apply (is_derive_ext_loc (fun s => covariance n (softmax n (g s)) (g1 s) c)).
  - refine (filter_imp _ _ _ H1). intros s Hs. symmetry.
    apply is_derive_unique. apply softmax_path_D1; assumption.
  - apply softmax_path_D2; [exact Hn| |exact H2]. exact (locally_singleton _ _ H1).
Qed.

(* With R(a) = max a - min a:  |<p, c>''| <= R(c) (R(g'') + R(g')^2) / 4, whatever the probabilities p. *)
Theorem second_derivative_range n p a1 a2 c r1 r2 rc :
  (forall i, (i < n)%nat -> 0 <= p i) -> rsum n p = 1 ->
  range_le n a1 r1 -> range_le n a2 r2 -> range_le n c rc ->
  Rabs (covariance n p a2 c + third_moment n p a1 c) <= rc * (r2 + r1 ^ 2) / 4.
Proof.
  intros Hp H1 R1 R2 Rc. eapply Rle_trans; [apply Rabs_triang|].
  pose proof (covariance_range n p Hp H1 a2 c r2 rc R2 Rc).
  pose proof (third_moment_range n p Hp H1 a1 c r1 rc R1 Rc). lra.
Qed.

(* ---- cross-entropy ---- *)

(* Cross-entropy, one-sided: N x need only bound - <p'', c x> on [0,E] from above (N x may be negative). *)
Theorem threshold_ce_sharp n m w g g1 g2 N E : (0 < n)%nat ->
  (forall x, (x < m)%nat -> 0 <= w x) -> twice_derivable n m E g g1 g2 ->
  let c x := g1 x 0 in
  let p x t := softmax n (g x t) in
  (forall x t, (x < m)%nat -> 0 <= t <= E ->
     - (covariance n (p x t) (g2 x t) (c x) + third_moment n (p x t) (g1 x t) (c x)) <= N x) ->
  let q := rsum m (fun x => w x * variance n (p x 0) (c x)) in
  let D := rsum m (fun x => w x * N x) in
  (forall t, 0 <= t <= E -> t * q - t ^ 2 / 2 * D <= align n m (softmax n) w g c t) /\
  (0 < q -> (0 < D -> E < 2 * q / D) -> forall t, 0 < t <= E -> 0 < align n m (softmax n) w g c t).
Proof.
  intros Hn Hw Hg c p HN q D.
  assert (A : forall t, 0 <= t <= E -> t * q - t ^ 2 / 2 * D <= align n m (softmax n) w g c t).
  { intros t Ht. rewrite align_dot.
    apply (taylor_lower_sum m w (fun x s => dot n (p x s) (c x))
             (fun x s => covariance n (p x s) (g1 x s) (c x))
             (fun x s => covariance n (p x s) (g2 x s) (c x) + third_moment n (p x s) (g1 x s) (c x)) N t);
      try assumption.
    - lra.
    - intros x s Hx Hs. apply softmax_path_D1; [exact Hn|]. intros i Hi. apply Hg; auto; lra.
    - intros x s Hx Hs. apply softmax_path_D2; [exact Hn| |]; intros i Hi; apply Hg; auto; lra.
    - intros x s Hx Hs. specialize (HN x s Hx ltac:(lra)). lra. }
  split; [exact A|]. intros HS HE t Ht.
  apply Rlt_le_trans with (t * q - t ^ 2 / 2 * D); [apply (below_quotient q D E); assumption|apply A; lra].
Qed.

(* Cross-entropy: the alignment is positive up to 2 q / D, from bounds on ranges (max - min) alone: rc of c,
   r1 of g', r2 of g'' on [0,E]. (q > 0 means that on some input of positive weight c x is not constant over
   the outputs. Adding to all logits one and the same function of t changes nothing.) *)
Theorem threshold_ce n m w g g1 g2 rc r1 r2 E : (0 < n)%nat ->
  (forall x, (x < m)%nat -> 0 <= w x) -> twice_derivable n m E g g1 g2 ->
  let c x := g1 x 0 in
  (forall x, (x < m)%nat -> range_le n (c x) (rc x)) ->
  (forall x t, (x < m)%nat -> 0 <= t <= E -> range_le n (g1 x t) (r1 x) /\ range_le n (g2 x t) (r2 x)) ->
  let q := rsum m (fun x => w x * variance n (softmax n (g x 0)) (c x)) in
  let D := rsum m (fun x => w x * (rc x * (r2 x + r1 x ^ 2) / 4)) in
  (forall t, 0 <= t <= E -> t * q - t ^ 2 / 2 * D <= align n m (softmax n) w g c t) /\
  (0 < q -> (0 < D -> E < 2 * q / D) -> forall t, 0 < t <= E -> 0 < align n m (softmax n) w g c t).
Proof.
  intros Hn Hw Hg c Hc Hr q D.
  apply (threshold_ce_sharp n m w g g1 g2 (fun x => rc x * (r2 x + r1 x ^ 2) / 4) E); try assumption.
  intros x t Hx Ht. destruct (Hr x t Hx Ht) as [Hr1 Hr2].
  pose proof (second_derivative_range n (softmax n (g x t)) (g1 x t) (g2 x t) (c x) (r1 x) (r2 x) (rc x)
    (fun i _ => Rlt_le _ _ (softmax_pos n (g x t) i Hn)) (softmax_sum n (g x t) Hn) Hr1 Hr2 (Hc x Hx)) as H.
  apply Rabs_le_between in H. unfold c in H. lra.
Qed.
