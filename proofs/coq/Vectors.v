(* Vectors as functions from indices to real numbers, read on their first n coordinates.

   The vectors of this development are functions nat -> R; the dimension n is an argument of every
   operation, and only the coordinates 0, ..., n - 1 count.  So vectors of different dimensions (parameters,
   outputs, inputs) share one type, and no proof has to carry a bound inside a term.

   - rsum n f         is  f 0 + ... + f (n - 1): linear, monotone, exchangeable with another sum; if its
                      terms are nonnegative and it is zero, then every term is zero;
   - dot n a b        is the inner product  sum_i a_i b_i, bilinear, symmetric and positive definite;
   - nrm n a          is the Euclidean norm, the square root of  dot n a a;
   - vsub a b         is the difference a - b, and delta j the j-th vector of the standard basis.

   The main fact is the Cauchy-Schwarz inequality  |<a, b>| <= |a| |b|; the triangle inequality and the
   comparison of the norm with the coordinates,  |a_i| <= |a| <= sum_i |a_i|, follow. *)

From Coq Require Import Reals Lra Lia Arith.
Open Scope R_scope.

Definition vec := nat -> R.

Fixpoint rsum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S m => rsum m f + f m end.

Definition dot (n : nat) (a b : vec) : R := rsum n (fun i => a i * b i).
Definition nrm (n : nat) (a : vec) : R := sqrt (dot n a a).
Definition vsub (a b : vec) : vec := fun i => a i - b i.
Definition delta (j : nat) : vec := fun i => if Nat.eqb i j then 1 else 0.

(* --- finite sums --- *)

Lemma rsum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> rsum n f = rsum n g.
Proof.
  induction n as [|n IH]; simpl; intros H; [reflexivity|].
  rewrite IH, (H n); [reflexivity | lia | intros i Hi; apply H; lia].
Qed.

Lemma rsum_plus n f g : rsum n (fun i => f i + g i) = rsum n f + rsum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma rsum_minus n f g : rsum n (fun i => f i - g i) = rsum n f - rsum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma rsum_opp n f : rsum n (fun i => - f i) = - rsum n f.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma rsum_scal n c f : rsum n (fun i => c * f i) = c * rsum n f.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma rsum_scal_r n c f : rsum n (fun i => f i * c) = rsum n f * c.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma rsum_0 n : rsum n (fun _ => 0) = 0.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma rsum_zero_ext n f : (forall i, (i < n)%nat -> f i = 0) -> rsum n f = 0.
Proof. intros H. rewrite (rsum_ext n f (fun _ => 0) H). apply rsum_0. Qed.

Lemma rsum_const n c : rsum n (fun _ => c) = INR n * c.
Proof.
  induction n as [|n IH]; [simpl; ring|].
  rewrite S_INR. simpl. rewrite IH. ring.
Qed.

Lemma rsum_le n f g : (forall i, (i < n)%nat -> f i <= g i) -> rsum n f <= rsum n g.
Proof.
  induction n as [|n IH]; simpl; intros H; [lra|].
  apply Rplus_le_compat; [apply IH; intros i Hi|]; apply H; lia.
Qed.

Lemma rsum_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= rsum n f.
Proof. intros H. rewrite <- (rsum_0 n). apply rsum_le. exact H. Qed.

Lemma rsum_term n f j : (forall i, (i < n)%nat -> 0 <= f i) -> (j < n)%nat -> f j <= rsum n f.
Proof.
  induction n as [|n IH]; simpl; intros H Hj; [lia|].
  assert (Hs : 0 <= rsum n f) by (apply rsum_nonneg; intros i Hi; apply H; lia).
  assert (Hn : 0 <= f n) by (apply H; lia).
  destruct (Nat.eq_dec j n) as [->|Hne]; [lra|].
  assert (f j <= rsum n f) by (apply IH; [intros i Hi; apply H|]; lia).
  lra.
Qed.

Lemma rsum_pos n f :
  (forall i, (i < n)%nat -> 0 <= f i) -> (exists i, (i < n)%nat /\ 0 < f i) -> 0 < rsum n f.
Proof.
  intros H [j [Hj Hp]]. apply Rlt_le_trans with (1 := Hp). apply rsum_term; assumption.
Qed.

(* nonnegative terms that sum to zero are all zero: the heart of the dichotomy *)
Lemma rsum_zero n f : (forall i, (i < n)%nat -> 0 <= f i) -> rsum n f = 0 -> forall i, (i < n)%nat -> f i = 0.
Proof.
  intros H H0 i Hi.
  pose proof (H i Hi). pose proof (rsum_term n f i H Hi). lra.
Qed.

Lemma rsum_swap n m (f : nat -> nat -> R) :
  rsum n (fun i => rsum m (fun j => f i j)) = rsum m (fun j => rsum n (fun i => f i j)).
Proof.
  induction n as [|n IH]; simpl.
  - symmetry. apply rsum_0.
  - rewrite IH, <- rsum_plus. reflexivity.
Qed.

Lemma rsum_Rabs n f : Rabs (rsum n f) <= rsum n (fun i => Rabs (f i)).
Proof.
  induction n as [|n IH]; simpl.
  - rewrite Rabs_R0. lra.
  - pose proof (Rabs_triang (rsum n f) (f n)). lra.
Qed.

Lemma rsum_delta n f j : (j < n)%nat -> rsum n (fun i => f i * delta j i) = f j.
Proof.
  unfold delta. induction n as [|n IH]; simpl; intros Hj; [lia|].
  destruct (Nat.eq_dec j n) as [->|Hne].
  - rewrite Nat.eqb_refl, rsum_zero_ext; [ring|].
    intros i Hi. destruct (Nat.eqb_spec i n); [lia | ring].
  - rewrite IH by lia. destruct (Nat.eqb_spec n j); [lia | ring].
Qed.

(* --- the inner product --- *)

Lemma dot_sym n a b : dot n a b = dot n b a.
Proof. apply rsum_ext. intros. ring. Qed.

Lemma dot_ext n a b a' b' :
  (forall i, (i < n)%nat -> a i = a' i) -> (forall i, (i < n)%nat -> b i = b' i) -> dot n a b = dot n a' b'.
Proof. intros Ha Hb. apply rsum_ext. intros i Hi. rewrite Ha, Hb by exact Hi. reflexivity. Qed.

Lemma dot_plus_l n a b c : dot n (fun i => a i + b i) c = dot n a c + dot n b c.
Proof. unfold dot. rewrite <- rsum_plus. apply rsum_ext. intros. ring. Qed.

Lemma dot_plus_r n a b c : dot n c (fun i => a i + b i) = dot n c a + dot n c b.
Proof. unfold dot. rewrite <- rsum_plus. apply rsum_ext. intros. ring. Qed.

Lemma dot_minus_l n a b c : dot n (fun i => a i - b i) c = dot n a c - dot n b c.
Proof. unfold dot. rewrite <- rsum_minus. apply rsum_ext. intros. ring. Qed.

Lemma dot_minus_r n a b c : dot n c (fun i => a i - b i) = dot n c a - dot n c b.
Proof. unfold dot. rewrite <- rsum_minus. apply rsum_ext. intros. ring. Qed.

Lemma dot_scal_l n t a c : dot n (fun i => t * a i) c = t * dot n a c.
Proof. unfold dot. rewrite <- rsum_scal. apply rsum_ext. intros. ring. Qed.

Lemma dot_scal_r n t a c : dot n c (fun i => t * a i) = t * dot n c a.
Proof. unfold dot. rewrite <- rsum_scal. apply rsum_ext. intros. ring. Qed.

Lemma dot_sum_l n m (a : nat -> vec) c :
  dot n (fun i => rsum m (fun x => a x i)) c = rsum m (fun x => dot n (a x) c).
Proof.
  unfold dot. rewrite <- rsum_swap. apply rsum_ext. intros. symmetry. apply rsum_scal_r.
Qed.

Lemma dot_delta n a j : (j < n)%nat -> dot n a (delta j) = a j.
Proof. apply rsum_delta. Qed.

Lemma dot_nonneg n a : 0 <= dot n a a.
Proof. apply rsum_nonneg. intros i Hi. apply Rle_0_sqr. Qed.

Lemma dot_zero n a : dot n a a = 0 -> forall i, (i < n)%nat -> a i = 0.
Proof.
  intros H i Hi. apply Rsqr_0_uniq.
  apply (rsum_zero n (fun j => a j * a j)); [|exact H | exact Hi].
  intros. apply Rle_0_sqr.
Qed.

(* --- the Euclidean norm --- *)

Lemma nrm_nonneg n a : 0 <= nrm n a.
Proof. apply sqrt_pos. Qed.

Lemma nrm_sqr n a : nrm n a * nrm n a = dot n a a.
Proof. apply sqrt_sqrt, dot_nonneg. Qed.

Lemma nrm_ext n a b : (forall i, (i < n)%nat -> a i = b i) -> nrm n a = nrm n b.
Proof. intros H. unfold nrm. f_equal. apply dot_ext; exact H. Qed.

Lemma nrm_scal n t a : nrm n (fun i => t * a i) = Rabs t * nrm n a.
Proof.
  unfold nrm. rewrite dot_scal_l, dot_scal_r, <- Rmult_assoc.
  rewrite sqrt_mult by (apply Rle_0_sqr || apply dot_nonneg).
  f_equal. apply sqrt_Rsqr_abs.
Qed.

Lemma nrm_zero n a : nrm n a = 0 -> forall i, (i < n)%nat -> a i = 0.
Proof. intros H. apply dot_zero. rewrite <- nrm_sqr, H. ring. Qed.

(* The Cauchy-Schwarz inequality: |<a, b>| <= |a| |b|. *)
Lemma cauchy_schwarz n a b : Rabs (dot n a b) <= nrm n a * nrm n b.
Proof.
  (* the squared norm of  <b, b> a - <a, b> b  is  <b, b> (<a, a> <b, b> - <a, b>^2) *)
  assert (Hsq : dot n a b * dot n a b <= dot n a a * dot n b b).
  { destruct (Req_dec (dot n b b) 0) as [H0|H0].
    - assert (dot n a b = 0) as ->; [|rewrite H0; lra].
      apply rsum_zero_ext. intros i Hi. rewrite (dot_zero n b H0 i Hi). ring.
    - pose proof (dot_nonneg n b) as Hb.
      pose proof (dot_nonneg n (fun i => dot n b b * a i - dot n a b * b i)) as H.
      rewrite (dot_minus_l n (fun i => dot n b b * a i) (fun i => dot n a b * b i)) in H.
      rewrite !dot_scal_l in H.
      rewrite !(dot_minus_r n (fun i => dot n b b * a i) (fun i => dot n a b * b i)) in H.
      rewrite !dot_scal_r, (dot_sym n b a) in H.
      apply Rmult_le_reg_l with (dot n b b); [lra|].
      lra. }
  apply Rsqr_incr_0_var; [|apply Rmult_le_pos; apply nrm_nonneg].
  rewrite <- Rsqr_abs. unfold Rsqr.
  replace (nrm n a * nrm n b * (nrm n a * nrm n b))
    with (nrm n a * nrm n a * (nrm n b * nrm n b)) by ring.
  rewrite !nrm_sqr. exact Hsq.
Qed.

Lemma nrm_triangle n a b : nrm n (fun i => a i + b i) <= nrm n a + nrm n b.
Proof.
  pose proof (nrm_nonneg n a). pose proof (nrm_nonneg n b).
  apply Rsqr_incr_0_var; [|lra]. unfold Rsqr.
  rewrite nrm_sqr, dot_plus_l, !dot_plus_r, (dot_sym n b a), <- !nrm_sqr.
  pose proof (Rle_abs (dot n a b)). pose proof (cauchy_schwarz n a b). lra.
Qed.

Lemma coord_le_nrm n a i : (i < n)%nat -> Rabs (a i) <= nrm n a.
Proof.
  intros Hi. apply Rsqr_incr_0_var; [|apply nrm_nonneg].
  rewrite <- Rsqr_abs. unfold Rsqr. rewrite nrm_sqr.
  apply (rsum_term n (fun j => a j * a j)); [|exact Hi].
  intros. apply Rle_0_sqr.
Qed.

Lemma nrm_le_sum n a : nrm n a <= rsum n (fun i => Rabs (a i)).
Proof.
  assert (Hp : 0 <= rsum n (fun i => Rabs (a i))) by (apply rsum_nonneg; intros; apply Rabs_pos).
  apply Rsqr_incr_0_var; [|exact Hp]. unfold Rsqr. rewrite nrm_sqr. unfold dot.
  rewrite <- rsum_scal. apply rsum_le. intros i Hi.
  rewrite <- (Rabs_pos_eq (a i * a i)) by apply Rle_0_sqr. rewrite Rabs_mult.
  apply Rmult_le_compat_r; [apply Rabs_pos|].
  apply (rsum_term n (fun j => Rabs (a j))); [|exact Hi]. intros. apply Rabs_pos.
Qed.
